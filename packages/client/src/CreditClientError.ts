import * as Schema from "effect/Schema"

/**
 * The service could not be asked, or its answer was lost or not understood: no typed error of the contract. What could be
 * retried was retried before this surfaced.
 *
 * After `unreachable`, `timeout` and `answer` a command **may have been carried out**. Send it again with the same
 * `idempotencyKey` to find out: a command that did land answers with what it did.
 */
export class CreditClientError extends Schema.TaggedError<CreditClientError>()("CreditClientError", {
  /**
   * - `unreachable`: no connection, or it was lost before the answer was complete.
   * - `timeout`: no answer in time.
   * - `http`: something answered, but not as the service does (`status` says how): a proxy, or a wrong base URL.
   * - `answer`: the answer is not what the contract says; client and service are perhaps of different versions.
   * - `closed`: the client was closed.
   */
  reason: Schema.Literals(["unreachable", "timeout", "http", "answer", "closed"]),
  /** The RPC's name in the contract. */
  rpc: Schema.String,
  /** How often it was sent. */
  attempts: Schema.Int,
  message: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  /** The key that every attempt carried, for commands. */
  idempotencyKey: Schema.optionalKey(Schema.String)
}) {}
