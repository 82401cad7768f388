import type { AccountState } from "../Account.ts"
import { entryHash } from "../EntryHash.ts"
import type { EntryState } from "../LedgerEntry.ts"
import type { LotState } from "../Lot.ts"
import type { ConsumptionOrder } from "../Merchant.ts"
import type { OperationState } from "../Operation.ts"
import type { Reason } from "../Reason.ts"
import type { NewId } from "../Uuid.ts"
import { allocate, inOrderOfConsumption, type Portion } from "./Allocation.ts"
import { due } from "./Due.ts"

/** What one command does to one account: the account after it, and the facts to be written. */
export interface Booking {
  readonly account: AccountState
  /** The instant of the command on this account. */
  readonly now: number
  readonly newId: NewId
  readonly entries: ReadonlyArray<EntryState>
  /** New lots, as they are after the entries. */
  readonly lots: ReadonlyArray<LotState>
  /** Operations that were opened or changed, as they are now. */
  readonly operations: ReadonlyArray<OperationState>
}

/** What an entry records of the work or the document behind it. */
export interface Detail {
  readonly reason: Reason
  readonly operationType: string
  readonly resourceAmount: string
  readonly resourceUnit: string
  readonly capturedRate: string | null
  readonly operationId: string | null
  readonly workflowId: string | null
  readonly note: string | null
  readonly actor: string | null
}

/** The detail of an entry that comes from no operation: its reason, its absolute amount, `CREDIT`. */
export const creditDetail = (
  reason: Reason,
  amount: number,
  by: { readonly note?: string; readonly actor?: string } = {}
): Detail => ({
  reason,
  operationType: reason,
  resourceAmount: `${Math.abs(amount)}`,
  resourceUnit: "CREDIT",
  capturedRate: null,
  operationId: null,
  workflowId: null,
  note: by.note ?? null,
  actor: by.actor ?? null
})

export const begin = (account: AccountState, now: number, newId: NewId): Booking => ({
  account,
  now,
  newId,
  entries: [],
  lots: [],
  operations: []
})

/**
 * Appends one entry: the account's balance, sequence and hash move with it, and so does the lot, or the debt when there
 * is none.
 */
export const post = (
  booking: Booking,
  movement: { readonly lotId: string | null; readonly amount: number; readonly effectiveAt?: number },
  detail: Detail
): Booking => {
  const { account, now } = booking
  const fields = {
    ...detail,
    entryId: booking.newId(now),
    userId: account.userId,
    seq: account.seq + 1,
    lotId: movement.lotId,
    amount: movement.amount,
    balanceAfter: account.balance + movement.amount,
    effectiveAt: movement.effectiveAt ?? now,
    createdAt: now
  }
  const hash = Buffer.from(entryHash(Buffer.from(account.hash, "hex"), fields)).toString("hex")
  const moveLot = (lot: LotState): LotState =>
    lot.lotId === movement.lotId ? { ...lot, remaining: lot.remaining + movement.amount } : lot
  return {
    ...booking,
    account: {
      ...account,
      seq: fields.seq,
      hash,
      balance: fields.balanceAfter,
      debt: movement.lotId === null ? account.debt - movement.amount : account.debt,
      lastAt: now,
      lots: movement.lotId === null ? account.lots : account.lots.map(moveLot).filter((lot) => lot.remaining > 0)
    },
    entries: [...booking.entries, { ...fields, hash }],
    lots: movement.lotId === null ? booking.lots : booking.lots.map(moveLot)
  }
}

/** Issues a lot of `lot.credits`; debt is repaid out of it first, by two `settlement` entries (rule 3). */
export const issue = (booking: Booking, lot: Omit<LotState, "remaining">, detail: Detail): Booking => {
  const empty: LotState = { ...lot, remaining: 0 }
  const issued = post(
    {
      ...booking,
      account: { ...booking.account, lots: [...booking.account.lots, empty] },
      lots: [...booking.lots, empty]
    },
    { lotId: lot.lotId, amount: lot.credits },
    detail
  )
  const repaid = Math.min(lot.credits, booking.account.debt)
  if (repaid === 0) return issued
  const settlement = creditDetail("settlement", repaid)
  return post(
    post(issued, { lotId: lot.lotId, amount: -repaid }, settlement),
    { lotId: null, amount: repaid },
    settlement
  )
}

/** The detail of an entry that moves so many credits: the same for all entries of a close, each its own otherwise. */
export type DetailOf = (amount: number) => Detail

/** Takes portions out of their lots, one entry for each, and what no lot covers as an entry without one: debt (rule 3). */
export const postPortions = (
  booking: Booking,
  { portions, uncovered }: { readonly portions: ReadonlyArray<Portion>; readonly uncovered: number },
  detailOf: DetailOf
): Booking => {
  const covered = portions.reduce(
    (sofar, { amount, lot }) => post(sofar, { lotId: lot.lotId, amount: -amount }, detailOf(amount)),
    booking
  )
  return uncovered === 0 ? covered : post(covered, { lotId: null, amount: -uncovered }, detailOf(uncovered))
}

/** Debits `amount` over the active lots in order, one entry per lot touched; what no lot covers becomes debt (rule 3). */
export const debit = (booking: Booking, amount: number, order: ConsumptionOrder, detailOf: DetailOf): Booking =>
  postPortions(booking, allocate(inOrderOfConsumption(booking.account.lots, order, booking.now), amount), detailOf)

/** Puts an operation, new or changed, in its place and moves the account's hold with it. */
export const putOperation = (booking: Booking, changed: OperationState): Booking => {
  const { account } = booking
  const operation = { ...changed, updatedAt: booking.now }
  const others = account.operations.filter((it) => it.operationId !== operation.operationId)
  const operations = operation.status === "open" ? [...others, operation] : others
  return {
    ...booking,
    account: {
      ...account,
      operations,
      held: operations.reduce((held, it) => held + it.held, 0),
      lastAt: booking.now
    },
    operations: [...booking.operations.filter((it) => it.operationId !== operation.operationId), operation]
  }
}

/** Books the releases and expiries that are due (rule 5). Run before and after what a command itself does. */
export const settleDue = (booking: Booking): Booking => {
  const { expiries, released } = due(booking.account, booking.now)
  const withReleases = released.reduce(
    (sofar, operation) => putOperation(sofar, { ...operation, status: "expired" }),
    booking
  )
  return expiries.reduce(
    (sofar, { amount, effectiveAt, lot }) =>
      post(sofar, { lotId: lot.lotId, amount: -amount, effectiveAt }, creditDetail("expiry", amount)),
    withReleases
  )
}
