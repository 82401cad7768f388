import type { ConsumptionOrder } from "../Merchant.ts"
import { HOUR } from "../Timestamp.ts"
import { allocate, inOrderOfConsumption, type Portion } from "./Allocation.ts"
import { type Booking, type Detail, post, settleDue } from "./Booking.ts"

/** The lot whose purchase is reversed. */
export interface Reversed {
  readonly lotId: string
  /** What the purchase gave. */
  readonly credits: number
  /** What of it expired already, as a positive number: that is gone, and not owed. */
  readonly expired: number
}

/**
 * What a refund or chargeback takes back (rule 10): the purchase's credits less what already expired, first from the lot
 * itself, then from the other active lots in order; what they do not cover is debt.
 */
export const clawback = (
  { account, now }: Pick<Booking, "account" | "now">,
  reversed: Reversed,
  order: ConsumptionOrder
): { readonly portions: ReadonlyArray<Portion>; readonly uncovered: number } => {
  const itself = account.lots.filter((lot) => lot.lotId === reversed.lotId)
  const others = account.lots.filter((lot) => lot.lotId !== reversed.lotId)
  return allocate([...itself, ...inOrderOfConsumption(others, order, now)], reversed.credits - reversed.expired)
}

/** Books a clawback, one entry per lot touched and one without a lot for what is debt, and what falls due with it. */
export const reverse = (booking: Booking, reversed: Reversed, order: ConsumptionOrder, detail: Detail): Booking => {
  const { portions, uncovered } = clawback(booking, reversed, order)
  const taken = portions.reduce(
    (sofar, { amount, lot }) => post(sofar, { lotId: lot.lotId, amount: -amount }, detail),
    booking
  )
  return settleDue(uncovered === 0 ? taken : post(taken, { lotId: null, amount: -uncovered }, detail))
}

/** The least time for which a won dispute's credits are given back. */
const LEAST_REINSTATEMENT = 24 * HOUR

/**
 * When credits that a won chargeback gives back `now` expire: they last as long as the lot had left at the chargeback, and
 * 24 hours at least (rule 10). Epoch milliseconds.
 */
export const reinstatedUntil = (lotExpiresAt: number, chargedBackAt: number, now: number): number =>
  now + Math.max(lotExpiresAt - chargedBackAt, LEAST_REINSTATEMENT)
