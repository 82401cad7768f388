import * as Predicate from "effect/Predicate"
import { timestampText } from "../Timestamp.ts"

/** A command's record under its key. */
export interface CommandFacts {
  readonly commandType: string
  readonly state: "PENDING" | "SUCCEEDED" | "FAILED_FINAL" | "FAILED_RETRIABLE"
  readonly claimedAt: number
  readonly expiresAt: number
  /** The stored answer without its `meta`; an error has its `_tag`. */
  readonly answer: unknown
}

/** What was decided of a command, and of a refused one why. */
export const commandLines = (command: CommandFacts): ReadonlyArray<string> => {
  const { answer, claimedAt, commandType, expiresAt, state } = command
  const claimed = timestampText(claimedAt)
  const until = timestampText(expiresAt)
  switch (state) {
    case "SUCCEEDED":
      return [
        `${commandType} of ${claimed} succeeded.`,
        `Sent again with the same key and payload before ${until} it gets the same answer and does nothing.`
      ]
    case "FAILED_FINAL":
      return [
        `${commandType} of ${claimed} was refused by the rules: ${why(answer)}`,
        "Of the user's nothing changed but what was due.",
        `The refusal stands under its key until ${until}; to try again, send the command with a new key.`
      ]
    case "FAILED_RETRIABLE":
      return [
        `${commandType} of ${claimed} failed for want of the service, not by a rule; sent again with the same key it runs.`
      ]
    case "PENDING":
      return [`${commandType} of ${claimed} is still being worked on.`]
  }
}

/** A field of a refusal as text. */
const at = (refusal: unknown, name: string): string =>
  Predicate.hasProperty(refusal, name) ? String(refusal[name]) : "unknown"

/** Why a refusal was one, in a sentence. A refusal that is not listed says its name and, if it has one, its reason. */
const why = (refusal: unknown): string => {
  const tag = at(refusal, "_tag")
  const said = WHY[tag]
  if (said !== undefined) return said(refusal)
  return Predicate.hasProperty(refusal, "reason") ? `${tag}, ${at(refusal, "reason")}.` : `${tag}.`
}

const REASONS: Readonly<Record<string, string>> = {
  user_busy: "the user has an operation without an estimate open, and may have one such at a time.",
  operation_type_inactive: "no rate of this operation type was in force.",
  too_many_open: "the user has as many operations with an estimate open as the merchant allows.",
  not_found: "there was no such product.",
  archived: "the product was archived when the order was placed.",
  not_yet_effective: "the product was not yet on sale when the order was placed.",
  country_unavailable: "the product had no price for the country, nor one for everywhere else.",
  pricing_mismatch: "amount or currency were not those of the product's price.",
  not_sellable: "the product is not for sale: it is given away by grants.",
  already_granted: "the user has had the welcome grant, which is given once for ever (rule 9).",
  no_welcome_product: "the merchant had no active welcome product.",
  product_not_found: "there was no such active grant product.",
  product_not_grantable: "the product is sold, not granted."
}

const byReason = (refusal: unknown) =>
  REASONS[at(refusal, "reason")] ?? `${at(refusal, "_tag")}, ${at(refusal, "reason")}.`

const WHY: Readonly<Record<string, (refusal: unknown) => string>> = {
  InsufficientBalance: (it) =>
    `${at(it, "available")} credits were available (balance − held) and ${at(it, "required")} required; nothing opens beyond what is available.`,
  OperationUnavailable: byReason,
  ProductUnavailable: byReason,
  GrantUnavailable: byReason,
  OperationNotFound: () => "there was no such operation.",
  OperationExpired: (it) =>
    `the operation had expired at ${at(it, "expiresAt")}, longer ago than late closes are allowed.`,
  OperationClosed: (it) => `the operation had ended before: it was ${at(it, "status")} (rule 9).`,
  IntentConflict: () => "the same thing had been done before with other values; one identity has one effect (rule 9).",
  InvalidRequest: (it) => `${at(it, "field")}: ${at(it, "message")}.`,
  PurchaseNotFound: () => "there is no purchase of this payment reference.",
  PurchaseAlreadyReversed: (it) => `a ${at(it, "by")} had taken the purchase back at ${at(it, "at")} (rule 9).`,
  ChargebackNotOpen: () => "the purchase had no chargeback that was still open.",
  ProductNotFound: () => "there is no product of this code.",
  ProductAlreadyExists: () => "there is a product of this code, and products are never edited.",
  NotASandbox: () => "only a sandbox may move its clock."
}
