/**
 * How a call ended, in few words: what is counted and logged. The tag of a refusal says more; it is kept beside it.
 *
 * - `ok`: it did what it was asked.
 * - `replayed`: answered from the record of an earlier try.
 * - `refused`: decided, and refused by the rules.
 * - `conflict`: the key, or the identity, was used with other values.
 * - `invalid`: malformed; nothing was decided.
 * - `denied`: the caller may not do this, or names a merchant there is none of.
 * - `limited`: too much at once.
 * - `maintenance`: the merchant takes no commands now.
 * - `in_progress`: an earlier try, or this one, is still at work.
 * - `unavailable`: the merchant's database did not answer.
 * - `failed`: a fault of the service.
 */
export type CallOutcome =
  | "ok"
  | "replayed"
  | "refused"
  | "conflict"
  | "invalid"
  | "denied"
  | "limited"
  | "maintenance"
  | "in_progress"
  | "unavailable"
  | "failed"

const BY_TAG: Readonly<Record<string, CallOutcome>> = {
  Success: "ok",
  InvalidRequest: "invalid",
  Unauthorized: "denied",
  Forbidden: "denied",
  MerchantUnknown: "denied",
  RateLimited: "limited",
  IntentConflict: "conflict",
  MaintenanceMode: "maintenance",
  RequestInProgress: "in_progress",
  ServiceUnavailable: "unavailable",
  InternalError: "failed"
}

/** The outcome of an exit by its tag: `Success`, or the error's. Every other error of the contract is a refusal. */
export const callOutcome = (tag: string, replayed: boolean): CallOutcome =>
  replayed ? "replayed" : (BY_TAG[tag] ?? "refused")
