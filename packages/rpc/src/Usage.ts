import { Credits } from "@credit/domain/Credits"
import { ResourceTotal } from "@credit/domain/Decimal"
import { Code, UserId } from "@credit/domain/Ids"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** What a user's closed operations of one kind came to in one period. */
export const UsageRow = Schema.Struct({
  /** The UTC day or month, by its first instant; without `by` the beginning of the whole span. */
  periodStart: Timestamp,
  operationTypeCode: Code,
  resourceUnit: Code,
  operations: Schema.Int,
  resourceAmount: ResourceTotal,
  /** What they cost, the part that became debt included. */
  credits: Credits
}).annotate({ identifier: "UsageRow" })

const seconds = Schema.Number

/** What became of one operation type's operations that were opened in the time asked for. */
export const OperationMetrics = Schema.Struct({
  operationTypeCode: Code,
  opened: Schema.Int,
  /** Still open. */
  open: Schema.Int,
  closed: Schema.Int,
  cancelled: Schema.Int,
  /** Past their expiry and not closed, whether or not that is booked. */
  expired: Schema.Int,
  /** Closed after they had expired; among the closed. */
  late: Schema.Int,
  /** What the closed ones cost. */
  credits: Credits,
  /** Closed ones that had an estimate and cost more than it held. */
  beyondEstimate: Schema.Int,
  /** From opening to close, of the closed ones; absent if there are none. */
  durationSeconds: Schema.optionalKey(
    Schema.Struct({ average: seconds, median: seconds, p95: seconds, longest: seconds })
  ),
  /** Credits per closed one; absent if there are none. */
  cost: Schema.optionalKey(Schema.Struct({ average: Schema.Number, median: Credits, p95: Credits, highest: Credits }))
}).annotate({ identifier: "OperationMetrics" })

export class Usage extends RpcGroup.make(
  /**
   * What a user's operations used and cost in `from` ≤ closed < `to`, per operation type and unit, and per UTC `day` or
   * `month` if so told. In the order of period, type and unit.
   *
   * Role `user` (own usage). An unknown user has none. Fails with `InvalidRequest`: `to` is not later than `from`, or more
   * than 366 days later.
   */
  query("GetUsageSummary", {
    role: "user",
    payload: Schema.Struct({
      userId: UserId,
      from: Timestamp,
      to: Timestamp,
      by: Schema.optionalKey(Schema.Literals(["day", "month"])),
      ...PageRequest
    }),
    success: Schema.Struct({ usage: Schema.Array(UsageRow), ...PageInfo }),
    errors: []
  }),
  /**
   * How the merchant's operations that were opened in `from` ≤ openedAt < `to` went, per operation type, in the order of
   * their codes: how many are open, closed, cancelled, expired and late, how long they took, and what they cost.
   *
   * Role `admin`. Fails with `InvalidRequest`: `to` is not later than `from`, or more than 31 days later; and with
   * `ServiceUnavailable` where that many operations cannot be counted within 8 seconds: ask for less.
   */
  query("GetOperationMetrics", {
    role: "admin",
    payload: Schema.Struct({ from: Timestamp, to: Timestamp, operationTypeCode: Schema.optionalKey(Code) }),
    success: Schema.Struct({ asOf: Timestamp, operationTypes: Schema.Array(OperationMetrics) }),
    errors: []
  })
) {}
