import { Meta } from "@credit/domain/Meta"
import * as Schema from "effect/Schema"

/** A command's later failures name its transaction, so that a retry can be matched to it. */
const meta = { meta: Schema.optionalKey(Meta) }

/** The token is missing, malformed, expired, revoked or not ours. Says no more than that. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", { ...meta }) {
  override get message(): string {
    return "The token is missing or not valid"
  }
}

/** The token is good, but its role may not do this. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", { requiredRole: Schema.String, ...meta }) {
  override get message(): string {
    return `This needs the role ${this.requiredRole}`
  }
}

/** The service serves no such merchant. */
export class MerchantUnknown extends Schema.TaggedError<MerchantUnknown>()("MerchantUnknown", { ...meta }) {
  override get message(): string {
    return "The service has no such merchant"
  }
}

/** Too much at once. Nothing was done; send again after the hint. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  retryAfterSeconds: Schema.Int,
  ...meta
}) {
  override get message(): string {
    return `Too many requests; try again in ${this.retryAfterSeconds} s`
  }
}

/**
 * The merchant's database cannot be reached, or the answer to a commit was lost. Send again with the same key: a command
 * that did land answers with what it did.
 */
export class ServiceUnavailable extends Schema.TaggedError<ServiceUnavailable>()("ServiceUnavailable", {
  retryAfterSeconds: Schema.Int,
  ...meta
}) {
  override get message(): string {
    return `The service cannot answer for this merchant now; try again in ${this.retryAfterSeconds} s`
  }
}

/** A fault of the service. The correlation id finds it in the logs; nothing else is told. */
export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {
  correlationId: Schema.String,
  ...meta
}) {
  override get message(): string {
    return `The service failed; correlation id ${this.correlationId}`
  }
}
