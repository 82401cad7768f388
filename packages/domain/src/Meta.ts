import * as Schema from "effect/Schema"
import { TransactionId } from "./Ids.ts"

/** Carried by every answer of a command, error or success, once the command was decided. */
export const Meta = Schema.Struct({
  /** UUIDv5 of merchant, command and idempotency key: the same for every try of one command. */
  transactionId: TransactionId,
  /** True when this is the stored answer of an earlier try. */
  replayed: Schema.Boolean
}).annotate({ identifier: "Meta" })
export type Meta = typeof Meta.Type
