import * as Schema from "effect/Schema"
import { Credits } from "./Credits.ts"
import { Meta } from "./Meta.ts"
import { Operation, OperationStatus } from "./Operation.ts"
import { ReversalKind, ReversalStatus } from "./Reversal.ts"
import { Timestamp } from "./Timestamp.ts"

/** Every refusal of a command that was decided names its transaction; one that never got so far has no `meta`. */
const meta = { meta: Schema.optionalKey(Meta) }

/** Something in the request cannot be; `field` is the path in the payload, or the header's name. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  field: Schema.String,
  message: Schema.String,
  ...meta
}) {}

/** The key was used before for another payload. `fields` are the paths that differ, never their values. */
export class IntentConflict extends Schema.TaggedError<IntentConflict>()("IntentConflict", {
  fields: Schema.Array(Schema.String),
  ...meta
}) {
  override get message(): string {
    return `The same command was sent before with other values of: ${this.fields.join(", ")}`
  }
}

/** An earlier try of the same command has not ended, or this one's deadline passed. Safe to send again. */
export class RequestInProgress extends Schema.TaggedError<RequestInProgress>()("RequestInProgress", {
  retryAfterSeconds: Schema.Int,
  ...meta
}) {
  override get message(): string {
    return `The command is still being worked on; ask again with the same key in ${this.retryAfterSeconds} s`
  }
}

/** The merchant takes no commands now; queries go on. The same key works afterwards. */
export class MaintenanceMode extends Schema.TaggedError<MaintenanceMode>()("MaintenanceMode", {
  reason: Schema.String,
  until: Schema.optionalKey(Timestamp),
  retryAfterSeconds: Schema.Int,
  ...meta
}) {
  override get message(): string {
    return `The merchant is in maintenance: ${this.reason}`
  }
}

/** The product or its price cannot be sold as the purchase says, at the time the order was placed. */
export class ProductUnavailable extends Schema.TaggedError<ProductUnavailable>()("ProductUnavailable", {
  reason: Schema.Literals([
    "not_found",
    "archived",
    "not_yet_effective",
    "country_unavailable",
    "pricing_mismatch",
    "not_sellable"
  ]),
  ...meta
}) {
  override get message(): string {
    return `The product cannot be sold: ${this.reason}`
  }
}

/** The user has fewer available credits than the operation would claim. */
export class InsufficientBalance extends Schema.TaggedError<InsufficientBalance>()("InsufficientBalance", {
  available: Credits,
  required: Credits,
  ...meta
}) {
  override get message(): string {
    return `${this.available} credits available, ${this.required} required`
  }
}

/**
 * The operation cannot open: its type has no rate in force, the user already has one open without an estimate
 * (`operation` is that one), or as many with an estimate as the merchant allows.
 */
export class OperationUnavailable extends Schema.TaggedError<OperationUnavailable>()("OperationUnavailable", {
  reason: Schema.Literals(["user_busy", "operation_type_inactive", "too_many_open"]),
  operation: Schema.optionalKey(Operation),
  ...meta
}) {
  override get message(): string {
    return `The operation cannot open: ${this.reason}`
  }
}

/** There is no operation of this id, or none that the caller may see. */
export class OperationNotFound extends Schema.TaggedError<OperationNotFound>()("OperationNotFound", { ...meta }) {
  override get message(): string {
    return "There is no such operation"
  }
}

/** Past its expiry, and for a close past the merchant's `lateCloseHours` as well. */
export class OperationExpired extends Schema.TaggedError<OperationExpired>()("OperationExpired", {
  expiresAt: Timestamp,
  ...meta
}) {
  override get message(): string {
    return "The operation has expired"
  }
}

/** Already ended, as `status` says. */
export class OperationClosed extends Schema.TaggedError<OperationClosed>()("OperationClosed", {
  status: OperationStatus,
  ...meta
}) {
  override get message(): string {
    return `The operation is ${this.status}`
  }
}

/** The grant cannot be given. */
export class GrantUnavailable extends Schema.TaggedError<GrantUnavailable>()("GrantUnavailable", {
  reason: Schema.Literals(["already_granted", "no_welcome_product", "product_not_found", "product_not_grantable"]),
  ...meta
}) {
  override get message(): string {
    return `The grant cannot be given: ${this.reason}`
  }
}

/** A product of this code was created before. Products are never edited: archive it, and create one with another code. */
export class ProductAlreadyExists extends Schema.TaggedError<ProductAlreadyExists>()("ProductAlreadyExists", {
  ...meta
}) {
  override get message(): string {
    return "There is a product of this code already"
  }
}

/** There is no product of this code. */
export class ProductNotFound extends Schema.TaggedError<ProductNotFound>()("ProductNotFound", { ...meta }) {
  override get message(): string {
    return "There is no such product"
  }
}

/** No purchase was settled under this payment reference. */
export class PurchaseNotFound extends Schema.TaggedError<PurchaseNotFound>()("PurchaseNotFound", { ...meta }) {
  override get message(): string {
    return "There is no such purchase"
  }
}

/**
 * A reversal of the purchase stands, made `by` a refund or a chargeback `at` that time; or the one reversal that a won
 * chargeback leaves open has been made as well, and `by` and `at` are of that.
 */
export class PurchaseAlreadyReversed extends Schema.TaggedError<PurchaseAlreadyReversed>()("PurchaseAlreadyReversed", {
  by: ReversalKind,
  at: Timestamp,
  ...meta
}) {
  override get message(): string {
    return `The purchase was already reversed by a ${this.by}`
  }
}

/** The purchase has no chargeback that waits for an outcome: where it stands says `status` (`settled`: never reversed). */
export class ChargebackNotOpen extends Schema.TaggedError<ChargebackNotOpen>()("ChargebackNotOpen", {
  status: Schema.Union([Schema.Literal("settled"), ReversalStatus]),
  ...meta
}) {
  override get message(): string {
    return `The purchase has no open chargeback: it is ${this.status}`
  }
}

/** Only a merchant onboarded as a sandbox may move its clock. */
export class NotASandbox extends Schema.TaggedError<NotASandbox>()("NotASandbox", { ...meta }) {
  override get message(): string {
    return "Only a sandbox may move its clock"
  }
}
