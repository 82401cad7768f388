import type { ConsumptionOrder } from "../Merchant.ts"
import { allocate, inOrderOfConsumption, type Portion } from "./Allocation.ts"
import { type Booking, type DetailOf, postPortions } from "./Booking.ts"

/** The lot whose credits are taken back. */
export interface Reversed {
  readonly lotId: string
  /** What it gave. */
  readonly credits: number
  /** What of it expired already, as a positive number: that is gone, and not owed. */
  readonly expired: number
}

/**
 * What a refund or chargeback takes back (rule 10): the lot's credits less what already expired, first from the lot
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

/** Books a clawback: one entry per lot touched, and one without a lot for what is debt. */
export const clawBack = (booking: Booking, reversed: Reversed, order: ConsumptionOrder, detailOf: DetailOf): Booking =>
  postPortions(booking, clawback(booking, reversed, order), detailOf)
