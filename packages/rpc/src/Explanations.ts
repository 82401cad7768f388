import { Credits, PositiveCredits } from "@credit/domain/Credits"
import { Rate, ResourceAmount } from "@credit/domain/Decimal"
import { Code, EntryId, LotId, OperationId, TransactionId } from "@credit/domain/Ids"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Lot } from "@credit/domain/Lot"
import { Operation } from "@credit/domain/Operation"
import { Timestamp } from "@credit/domain/Timestamp"
import * as Predicate from "effect/Predicate"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { RoleForPayload } from "./Access.ts"
import { query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** What was asked about does not exist, or is not the caller's to see. */
export class NothingToExplain extends Schema.TaggedError<NothingToExplain>()("NothingToExplain", {}) {
  override get message(): string {
    return "There is no such entry, operation, lot or command"
  }
}

/** How a cost came about: ⌈`resourceAmount` × `capturedRate`⌉, at least 1 (rule 6). */
export const CostExplained = Schema.Struct({
  resourceAmount: ResourceAmount,
  resourceUnit: Schema.String,
  capturedRate: Rate,
  /** The product before it is rounded up. */
  exact: Schema.String,
  credits: PositiveCredits,
  /** What the operation had held for its estimate, and what of the cost went beyond that. */
  held: Credits,
  beyondHold: Credits,
  /** What no lot covered. */
  debt: Credits
}).annotate({ identifier: "CostExplained" })

/** A command by its key: what was decided, and if it was refused, why. */
export const CommandExplained = Schema.Struct({
  commandType: Schema.String,
  transactionId: TransactionId,
  state: Schema.Literals(["PENDING", "SUCCEEDED", "FAILED_FINAL", "FAILED_RETRIABLE"]),
  claimedAt: Timestamp,
  /** Until then the key gives this answer; from then on it is new again. */
  expiresAt: Timestamp,
  /** The stored answer without its `meta`: what it succeeded with, or the error with its `_tag`. */
  answer: Schema.optionalKey(Schema.Json)
}).annotate({ identifier: "CommandExplained" })

export const Explanation = Schema.Struct({
  about: Schema.Literals(["entry", "operation", "lot", "command"]),
  /** For people: one fact a line, with the rule of docs/domain.md it follows from. */
  lines: Schema.Array(Schema.String),
  operation: Schema.optionalKey(Operation),
  cost: Schema.optionalKey(CostExplained),
  /** Entry, operation: what was booked in one instant for the same operation or reason, in order. Lot: a page of its entries. */
  entries: Schema.Array(LedgerEntry),
  /** The lots that the entries touch, in the order in which they were first touched; as they stand now. */
  lots: Schema.Array(Lot),
  command: Schema.optionalKey(CommandExplained),
  ...PageInfo
}).annotate({ identifier: "Explanation" })

export class Explanations extends RpcGroup.make(
  /**
   * Why an entry, an operation, a lot or a command is as it is: which lots were touched and in which order, by which rule
   * and rate, what was held and what went beyond it; and of a refused command why it was refused.
   *
   * A lot's entries come in pages, oldest first; a page may have fewer than `limit`, even none, and still a `nextCursor`.
   * A command is found by its type and key for as long as its key is kept, 168 hours.
   *
   * Role `user` (own entries, operations and lots); by a command's key role `app`. Fails with `NothingToExplain`, also for
   * what is another user's.
   */
  query("Explain", {
    role: "user",
    payload: Schema.Union([
      Schema.Struct({ entryId: EntryId }),
      Schema.Struct({ operationId: OperationId }),
      Schema.Struct({ lotId: LotId, ...PageRequest }),
      Schema.Struct({ commandType: Code, idempotencyKey: Schema.String.check(Schema.isPattern(/^[!-~]{1,255}$/)) })
    ]),
    success: Explanation,
    errors: [NothingToExplain]
  }).annotate(RoleForPayload, (payload) =>
    Predicate.hasProperty(payload, "commandType") || Predicate.hasProperty(payload, "idempotencyKey")
      ? "app"
      : undefined
  )
) {}
