import * as Data from "effect/Data"

/**
 * The work was done, but recording it failed: the close was refused (`cause` is the contract's typed error), or it could not
 * be delivered within the client's patience (`cause` is a `CreditClientError`, or the last passing refusal, and the close may
 * have been carried out).
 *
 * Nothing is lost: `value` is what the work returned, and `close` with `idempotencyKey` is the command to send later, by
 * `client.operation.recordAndClose(error.close, { idempotencyKey: error.idempotencyKey })`. It is charged once however often
 * that is done, and taken until the merchant's `lateCloseHours` after the operation's expiry. An operation that is never
 * closed is never charged; its hold ends with its expiry.
 */
export class OperationNotClosed<Value, Close extends { readonly operationId: string }, Reason> extends Data.TaggedError(
  "OperationNotClosed"
)<{
  readonly operationId: Close["operationId"]
  readonly close: Close
  readonly idempotencyKey: string
  readonly value: Value
  readonly cause: Reason
}> {
  override get message(): string {
    const { cause } = this
    return `Operation ${this.operationId} is not closed: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}
