import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** One command of the merchant's staff or of an operator that was decided, refusals included. */
export const AuditRecord = Schema.Struct({
  auditId: Schema.String,
  at: Timestamp,
  /** The id of the token that sent it. */
  jti: Schema.String,
  /** The token's `sub`: the merchant, or the operator by name. */
  actor: Schema.String,
  role: Schema.String,
  /** The command's name in the contract. */
  command: Schema.String,
  idempotencyKey: Schema.String,
  transactionId: Schema.String,
  /** `succeeded`, or the tag of the refusal. */
  outcome: Schema.String,
  detail: Schema.optionalKey(Schema.Json)
}).annotate({ identifier: "AuditRecord" })

export class AuditLog extends RpcGroup.make(
  /**
   * What the merchant's staff and operators had decided, newest first: one record for each command, none for a replay.
   * `from` ≤ at < `to`.
   *
   * Role `admin`.
   */
  query("ListAuditLog", {
    role: "admin",
    payload: Schema.Struct({
      from: Schema.optionalKey(Timestamp),
      to: Schema.optionalKey(Timestamp),
      ...PageRequest
    }),
    success: Schema.Struct({ records: Schema.Array(AuditRecord), ...PageInfo }),
    errors: []
  })
) {}
