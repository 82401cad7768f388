import * as Schema from "effect/Schema"
import { Credits, PositiveCredits } from "./Credits.ts"
import { Code, LotId, UserId } from "./Ids.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** How a purchase is taken back: by the merchant's own will, or by the payer's bank. */
export const ReversalKind = Schema.Literals(["refund", "chargeback"])
export type ReversalKind = typeof ReversalKind.Type

/** How a dispute ended, seen by the merchant: `won` gives the credits back, `lost` leaves them taken. */
export const DisputeOutcome = Schema.Literals(["won", "lost"])
export type DisputeOutcome = typeof DisputeOutcome.Type

/**
 * Where a reversal stands: a refund is `refunded` for good; a chargeback is `charged_back` while its dispute is open, then
 * `won` or `lost`.
 */
export const ReversalStatus = Schema.Literals(["refunded", "charged_back", "won", "lost"])
export type ReversalStatus = typeof ReversalStatus.Type

/** One clawback of a purchase's credits (rules 9 and 10). A purchase has one, or a second after a won chargeback. */
export const Reversal = Schema.Struct({
  externalRef: Code,
  userId: UserId,
  /** 1, or 2 for the reversal after a won chargeback; there is no third. */
  sequence: Schema.Literals([1, 2]),
  kind: ReversalKind,
  status: ReversalStatus,
  /** The lot whose credits are taken back: the purchase's, or the one that a won chargeback gave back. */
  lotId: LotId,
  /** What that lot was issued with. */
  creditsGiven: PositiveCredits,
  /** What of it had expired already: that is gone, and not taken back. */
  creditsExpired: Credits,
  /** `creditsGiven − creditsExpired`: what was taken back, from the lot, from other lots, or as debt. */
  clawedBack: Credits,
  /** The part of `clawedBack` that no lot covered. */
  debtIncurred: Credits,
  /** Why the payer's bank says it took the money back. */
  category: Schema.optionalKey(Code),
  justification: Schema.optionalKey(Schema.String),
  /** Who reversed it, as the caller named them. */
  actor: Schema.String,
  at: Timestamp,
  /** Of a chargeback that is resolved: when, by whom, and the lot with what was given back, if that was anything. */
  resolvedAt: Schema.optionalKey(Timestamp),
  resolvedBy: Schema.optionalKey(Schema.String),
  reinstatementLotId: Schema.optionalKey(LotId)
}).annotate({ identifier: "Reversal" })
export type Reversal = typeof Reversal.Type

/** How and when a chargeback was resolved. */
export interface ResolutionState {
  readonly outcome: DisputeOutcome
  readonly resolvedAt: number
  readonly resolvedBy: string
  /** The lot that gives back what was clawed back; `null` when the dispute was lost, or nothing had been taken. */
  readonly reinstatement: { readonly lotId: string; readonly expiresAt: number } | null
}

/** A reversal as the rules see it. Instants are epoch milliseconds. */
export interface ReversalState {
  readonly externalRef: string
  readonly userId: string
  readonly sequence: 1 | 2
  readonly kind: ReversalKind
  readonly lotId: string
  readonly lotExpiresAt: number
  readonly credits: number
  readonly expired: number
  readonly debtIncurred: number
  /** The `seq` of its first and last entry, which follow each other; `null` when nothing was left to take. */
  readonly firstSeq: number | null
  readonly lastSeq: number | null
  readonly category: string | null
  readonly note: string | null
  readonly actor: string
  readonly reversedAt: number
  readonly resolution: ResolutionState | null
}

export const clawedBack = ({ credits, expired }: Pick<ReversalState, "credits" | "expired">): number =>
  credits - expired

export const reversalStatus = ({ kind, resolution }: ReversalState): ReversalStatus =>
  resolution?.outcome ?? (kind === "refund" ? "refunded" : "charged_back")

/** The wire form of a reversal. */
export const presentReversal = (reversal: ReversalState): typeof Reversal.Encoded => {
  const { category, note, resolution } = reversal
  return {
    externalRef: reversal.externalRef,
    userId: reversal.userId,
    sequence: reversal.sequence,
    kind: reversal.kind,
    status: reversalStatus(reversal),
    lotId: reversal.lotId,
    creditsGiven: reversal.credits,
    creditsExpired: reversal.expired,
    clawedBack: clawedBack(reversal),
    debtIncurred: reversal.debtIncurred,
    ...(category === null ? {} : { category }),
    ...(note === null ? {} : { justification: note }),
    actor: reversal.actor,
    at: timestampText(reversal.reversedAt),
    ...(resolution === null
      ? {}
      : { resolvedAt: timestampText(resolution.resolvedAt), resolvedBy: resolution.resolvedBy }),
    ...(resolution?.reinstatement ? { reinstatementLotId: resolution.reinstatement.lotId } : {})
  }
}
