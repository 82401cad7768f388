import * as DateTime from "effect/DateTime"
import { emptyAccount, instantOf } from "../Account.ts"
import { withinBounds } from "../Credits.ts"
import type { LotState } from "../Lot.ts"
import { presentLot } from "../Lot.ts"
import { DAY, MINUTE } from "../Timestamp.ts"
import type { NewId } from "../Uuid.ts"
import { presentBalance } from "./Balance.ts"
import { type Booking, begin, type Detail, issue, settleDue } from "./Booking.ts"
import { type Decision, invalid, type Sender, succeed } from "./Decision.ts"
import type { State } from "./State.ts"

/** How far ahead of the database's clock a client's instant may be (rule 8). */
const MAX_AHEAD = 5 * MINUTE

/** A booking on a user's account, with everything due booked already. */
export const open = (state: State, userId: string, newId: NewId): Booking => {
  const account = state.accounts.get(userId) ?? emptyAccount(userId)
  return settleDue(begin(account, instantOf(account, state.now), newId))
}

/** Access lets only staff so far; credits out of nothing, or into it, are worth a second lock. */
export const requireStaff = ({ role }: Sender, what: string): void => {
  if (role !== "admin" && role !== "operator") throw new Error(`${what} reached the rules from the role ${role}`)
}

/** The refusal of a client's instant that is too far ahead, or nothing. */
export const tooFarAhead = (field: string, instant: DateTime.Utc, booking: Booking): Decision<never> | undefined =>
  DateTime.toEpochMillis(instant) > booking.now + MAX_AHEAD
    ? invalid(field, "is more than 5 minutes ahead of the service's clock", booking)
    : undefined

export const userBalance = (state: State, booking: Booking) =>
  presentBalance(booking.account, state.settings.consumptionOrder, booking.now)

/** The lot a booking issued, in wire form. */
export const issuedLot = (booking: Booking, lotId: string) => {
  const lot = booking.lots.find((it) => it.lotId === lotId)
  if (lot === undefined) throw new Error("The booking issued no such lot")
  return presentLot(lot)
}

type NewLot = Pick<LotState, "source" | "productCode" | "externalRef" | "credits">

/** Issues a lot that starts now. `undefined` when the user's credits would exceed 2^53 − 1. */
export const issueUntil = (
  booking: Booking,
  lot: NewLot & { readonly expiresAt: number },
  detail: Detail
): { readonly booking: Booking; readonly lotId: string } | undefined => {
  if (!withinBounds(booking.account.balance + lot.credits)) return undefined
  const lotId = booking.newId(booking.now)
  const issued = issue(booking, { ...lot, lotId, userId: booking.account.userId, issuedAt: booking.now }, detail)
  // The new credits can free a due lot that a hold kept: it expires now.
  return { booking: settleDue(issued), lotId }
}

/** Issues a lot that starts now and lasts `accessPeriodDays` days of 24 hours; as {@link issueUntil}. */
export const issueNow = (
  booking: Booking,
  { accessPeriodDays, ...lot }: NewLot & { readonly accessPeriodDays: number },
  detail: Detail
) => issueUntil(booking, { ...lot, expiresAt: booking.now + accessPeriodDays * DAY }, detail)

/** The decision of a grant: one lot. */
export const grantLot = (
  state: State,
  booking: Booking,
  lot: Parameters<typeof issueNow>[1],
  detail: Detail,
  changes: Pick<Decision, "welcomed"> = {}
): Decision<{ lot: ReturnType<typeof issuedLot>; userBalance: ReturnType<typeof userBalance> }> => {
  const issued = issueNow(booking, lot, detail)
  if (issued === undefined) return invalid("userId", "the user's credits would exceed 2^53 − 1", booking)
  return succeed(
    { lot: issuedLot(issued.booking, issued.lotId), userBalance: userBalance(state, issued.booking) },
    { booking: issued.booking, ...changes }
  )
}
