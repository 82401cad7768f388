import type { LotState } from "../Lot.ts"
import { timestampText } from "../Timestamp.ts"
import { credits, lotWords } from "./words.ts"

/** Where a lot comes from and how it stands `now`. `lot.remaining` is what is left once everything due is counted. */
export const lotLines = (lot: LotState, now: number): ReadonlyArray<string> => {
  const of = lot.externalRef === null ? "" : `, of the payment ${lot.externalRef}`
  return [
    `This is ${lotWords(lot)}${of}: ${credits(lot.credits)}, of which ${lot.remaining} remain.`,
    standing(lot, now)
  ]
}

const standing = (lot: LotState, now: number): string => {
  if (lot.remaining === 0) {
    return "Nothing of it is left: its entries say what was spent, what expired and what was taken back."
  }
  return lot.expiresAt > now
    ? `It can be spent until ${timestampText(lot.expiresAt)}; from then on it is open to nothing new (rule 5).`
    : `It expired at ${timestampText(lot.expiresAt)}; what remains is kept for open holds, is spent before all other lots, and expires when they end (rules 4 and 5).`
}
