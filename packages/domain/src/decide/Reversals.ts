import { available } from "../Account.ts"
import { withinBounds } from "../Credits.ts"
import { presentEntry } from "../LedgerEntry.ts"
import type { LotState } from "../Lot.ts"
import {
  clawedBack,
  presentReversal,
  type ResolutionState,
  type ReversalKind,
  type ReversalState,
  reversalStatus
} from "../Reversal.ts"
import { HOUR, timestampText } from "../Timestamp.ts"
import { type Booking, creditDetail, settleDue } from "./Booking.ts"
import { clawBack, type Reversed } from "./Clawback.ts"
import { issuedLot, issueUntil, open, requireStaff, userBalance } from "./common.ts"
import { type Answers, type Decider, type Decision, invalid, refuse, succeed } from "./Decision.ts"
import type { PurchaseState, State } from "./State.ts"

/** What is recorded of a reversal besides its credits. */
interface Why {
  readonly kind: ReversalKind
  readonly category: string | null
  readonly note: string | null
  readonly actor: string
}

/** Decides `Refund.Apply`: takes the purchase's credits back, for good. */
export const refundApply: Decider<"Refund.Apply"> = (state, payload, { newId, sender }) => {
  requireStaff(sender, "A refund")
  const { adminActor: actor, externalRef, justification: note } = payload
  return reversePurchase(state, externalRef, { kind: "refund", category: null, note, actor }, newId)
}

/** Decides `Chargeback.Apply`: takes the purchase's credits back while the payer disputes it. */
export const chargebackApply: Decider<"Chargeback.Apply"> = (state, payload, { newId, sender }) => {
  requireStaff(sender, "A chargeback")
  const { adminActor: actor, category = null, externalRef } = payload
  return reversePurchase(state, externalRef, { kind: "chargeback", category, note: null, actor }, newId)
}

const reversePurchase = (
  state: State,
  externalRef: string,
  why: Why,
  newId: Booking["newId"]
): Decision<Answers["Refund.Apply"]> => {
  const purchase = state.purchases.get(externalRef)
  if (purchase === undefined) return refuse({ _tag: "PurchaseNotFound" })
  const booking = open(state, purchase.userId, newId)
  const latest = state.reversals.get(externalRef)?.at(-1)
  if (latest !== undefined && !mayBeReversedAgain(latest)) {
    return refuse({ _tag: "PurchaseAlreadyReversed", by: latest.kind, at: timestampText(latest.reversedAt) }, booking)
  }
  const given = latest === undefined ? purchase.lot : givenBack(latest)
  const expired = (state.expired.get(given.lotId) ?? 0) + expiredBy(booking, given.lotId)
  const { credits, expiresAt, lotId } = given
  // What is available is the lowest of all totals: it must stay within the bounds.
  if (!withinBounds(available(booking.account) - (credits - expired))) {
    return invalid("externalRef", "the user's debt would exceed 2^53 − 1", booking)
  }
  const taken = take(booking, { lotId, credits, expired }, state, why)
  const reversal: ReversalState = {
    ...why,
    externalRef,
    userId: purchase.userId,
    sequence: latest === undefined ? 1 : 2,
    lotId,
    lotExpiresAt: expiresAt,
    credits,
    expired,
    debtIncurred: taken.booking.account.debt - booking.account.debt,
    firstSeq: taken.entries.at(0)?.seq ?? null,
    lastSeq: taken.entries.at(-1)?.seq ?? null,
    reversedAt: booking.now,
    resolution: null
  }
  const after = settleDue(taken.booking)
  return succeed(
    {
      reversal: presentReversal(reversal),
      ledgerEntries: taken.entries.map(presentEntry),
      userBalance: userBalance(state, after)
    },
    { booking: after, reversal }
  )
}

/** A clawback, and its entries: a chargeback's say its category, a refund's why it was made. */
const take = (booking: Booking, reversed: Reversed, { settings }: State, { actor, category, kind, note }: Why) => {
  const text = note ?? category
  const by = { actor, ...(text === null ? {} : { note: text }) }
  const taken = clawBack(booking, reversed, settings.consumptionOrder, (part) => creditDetail(kind, part, by))
  return { booking: taken, entries: taken.entries.slice(booking.entries.length) }
}

/** Once more after a chargeback that was won, and no more (rule 9). */
const mayBeReversedAgain = ({ resolution, sequence }: ReversalState): boolean =>
  sequence === 1 && resolution?.outcome === "won"

/** The lot that a won chargeback gave back; one that had taken nothing leaves the lot as it was. */
const givenBack = (won: ReversalState): Pick<LotState, "lotId" | "credits" | "expiresAt"> => {
  const reinstatement = won.resolution?.reinstatement ?? null
  return reinstatement === null
    ? { lotId: won.lotId, credits: won.credits, expiresAt: won.lotExpiresAt }
    : { ...reinstatement, credits: clawedBack(won) }
}

/** What a booking let expire of a lot, as a positive number. */
const expiredBy = ({ entries }: Booking, lotId: string): number =>
  entries.reduce((sum, it) => (it.lotId === lotId && it.reason === "expiry" ? sum - it.amount : sum), 0)

/** Decides `Chargeback.Resolve`: won gives back exactly what was clawed back, once; lost leaves it taken (rule 10). */
export const chargebackResolve: Decider<"Chargeback.Resolve"> = (state, payload, { newId, sender }) => {
  requireStaff(sender, "A dispute's outcome")
  const { adminActor: resolvedBy, externalRef, outcome } = payload
  const purchase = state.purchases.get(externalRef)
  if (purchase === undefined) return refuse({ _tag: "PurchaseNotFound" })
  const booking = open(state, purchase.userId, newId)
  const latest = state.reversals.get(externalRef)?.at(-1)
  const status = latest === undefined ? "settled" : reversalStatus(latest)
  if (latest === undefined || status !== "charged_back") return refuse({ _tag: "ChargebackNotOpen", status }, booking)
  const resolution: ResolutionState = { outcome, resolvedAt: booking.now, resolvedBy, reinstatement: null }
  const resolved = { ...latest, resolution }
  if (outcome === "won" && clawedBack(latest) > 0) return reinstate(state, booking, purchase, resolved)
  return succeed(
    { reversal: presentReversal(resolved), ledgerEntries: [], userBalance: userBalance(state, booking) },
    { booking, reversal: resolved }
  )
}

const reinstate = (
  state: State,
  booking: Booking,
  { lot: { productCode } }: PurchaseState,
  won: ReversalState & { readonly resolution: ResolutionState }
): Decision<Answers["Chargeback.Resolve"]> => {
  const { externalRef, resolution } = won
  const credits = clawedBack(won)
  const expiresAt = reinstatedUntil(won.lotExpiresAt, won.reversedAt, booking.now)
  const detail = creditDetail("reinstatement", credits, { actor: resolution.resolvedBy })
  const issued = issueUntil(booking, { source: "reinstatement", productCode, externalRef, credits, expiresAt }, detail)
  if (issued === undefined) return invalid("externalRef", "the user's credits would exceed 2^53 − 1", booking)
  const { booking: after, lotId } = issued
  const reversal = { ...won, resolution: { ...resolution, reinstatement: { lotId, expiresAt } } }
  // With the repayment of debt, and without what the new credits let expire.
  const entries = after.entries.slice(booking.entries.length).filter(({ reason }) => reason !== "expiry")
  return succeed(
    {
      reversal: presentReversal(reversal),
      lot: issuedLot(after, lotId),
      ledgerEntries: entries.map(presentEntry),
      userBalance: userBalance(state, after)
    },
    { booking: after, reversal }
  )
}

/** The least time for which a won dispute's credits are given back. */
const LEAST_REINSTATEMENT = 24 * HOUR

/**
 * When credits that a won chargeback gives back `now` expire: they last as long as the lot had left at the chargeback, and
 * 24 hours at least (rule 10). Epoch milliseconds.
 */
export const reinstatedUntil = (lotExpiresAt: number, chargedBackAt: number, now: number): number =>
  now + Math.max(lotExpiresAt - chargedBackAt, LEAST_REINSTATEMENT)
