import type { EntryState } from "../LedgerEntry.ts"
import type { LotState } from "../Lot.ts"
import type { ConsumptionOrder } from "../Merchant.ts"
import { timestampText } from "../Timestamp.ts"
import { credits, lotWords } from "./words.ts"

/** What the lines about entries draw on. */
export interface EntryFacts {
  /** In the order in which they were booked. */
  readonly entries: ReadonlyArray<EntryState>
  /** Every lot that they touch, by id. */
  readonly lots: ReadonlyMap<string, LotState>
  /** The merchant's order of consumption now; it may have been another when the entries were booked. */
  readonly order: ConsumptionOrder
}

/** The lots that some entries touch, in the order in which they were first touched. */
export const touchedLots = ({ entries, lots }: EntryFacts): ReadonlyArray<LotState> =>
  [...new Set(entries.map(({ lotId }) => lotId))].flatMap((lotId) => {
    const lot = lotId === null ? undefined : lots.get(lotId)
    return lot === undefined ? [] : [lot]
  })

/** One line for each entry: what it moved, out of or into which lot, and by which rule. */
export const entryLines = (facts: EntryFacts): ReadonlyArray<string> =>
  facts.entries.map((entry) => {
    const lot = entry.lotId === null ? undefined : facts.lots.get(entry.lotId)
    return `#${entry.seq} ${movement(entry, lot, facts.order)}; the balance after it is ${entry.balanceAfter}.`
  })

const movement = (entry: EntryState, lot: LotState | undefined, order: ConsumptionOrder): string => {
  const amount = credits(Math.abs(entry.amount))
  const where = lot === undefined ? "no lot" : lotWords(lot)
  const why = entry.note === null ? "" : ` (“${entry.note}”)`
  switch (entry.reason) {
    case "purchase":
      return `issued ${amount} as ${where} for ${entry.resourceAmount} ${entry.resourceUnit}, paid by ${entry.operationType}`
    case "welcome":
    case "promo":
    case "manual":
      return `issued ${amount} as ${where}: a ${entry.reason} grant${why}`
    case "reinstatement":
      return `gave back ${amount} as ${where}: a chargeback that was won (rules 9 and 10)`
    case "adjustment":
      return entry.amount > 0
        ? `issued ${amount} as ${where}: an adjustment${why}`
        : `${taken(entry, lot, amount, order)}: an adjustment${why}`
    case "debit":
      return taken(entry, lot, amount, order)
    case "expiry":
      return `expired ${amount} of ${where}${expiry(entry, lot)} (rule 5)`
    case "refund":
    case "chargeback":
      return lot === undefined
        ? `made a debt of ${amount}: what no lot could give back of the ${entry.reason} (rules 3 and 10)${why}`
        : `took back ${amount} from ${where}: a ${entry.reason} takes the purchase's own lot first, then the others in order (rule 10)${why}`
    case "settlement":
      return lot === undefined
        ? `repaid a debt of ${amount} (rule 3)`
        : `used ${amount} of ${where} to repay debt: new credits do so first (rule 3)`
  }
}

const taken = (entry: EntryState, lot: LotState | undefined, amount: string, order: ConsumptionOrder): string => {
  if (lot === undefined) return `made a debt of ${amount}, which no lot covered (rule 3)`
  return lot.expiresAt <= entry.createdAt
    ? `took ${amount} from ${lotWords(lot)}: past its expiry and kept by a hold, it is spent before all others (rules 4 and 5)`
    : `took ${amount} from ${lotWords(lot)}: next in the order of consumption, now ${order} (rule 4)`
}

const expiry = (entry: EntryState, lot: LotState | undefined): string => {
  const booked =
    entry.effectiveAt === entry.createdAt
      ? ""
      : `, true since ${timestampText(entry.effectiveAt)} and booked with the account's next command at ${timestampText(entry.createdAt)}`
  return lot !== undefined && lot.expiresAt < entry.effectiveAt
    ? `, which open holds had needed until ${timestampText(entry.effectiveAt)}${booked === "" ? "" : "; booked with the account's next command"}`
    : booked
}
