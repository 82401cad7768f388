import { Credits } from "@credit/domain/Credits"
import { UserId } from "@credit/domain/Ids"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Reason } from "@credit/domain/Reason"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { DueExpiry } from "./Accounts.ts"
import { query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** What the entries of one reason come to. */
export const ReasonTotal = Schema.Struct({ reason: Reason, entries: Schema.Int, amount: Credits }).annotate({
  identifier: "ReasonTotal"
})

export class Statements extends RpcGroup.make(
  /**
   * The user's balance and debt as of `at`, to the end of that millisecond: what `GetUserBalance` told then, whether or not
   * an expiry that was due by then had been booked. A command that was still at work at `at` counts if it is dated so.
   *
   * What operations held then is not told: holds leave no entries.
   *
   * Role `user` (own balance). An unknown user has zeros, and so has everybody before their first entry. An `at` that is
   * still to come is `InvalidRequest`: nobody knows what will have been spent.
   */
  query("GetBalanceAt", {
    role: "user",
    payload: Schema.Struct({ userId: UserId, at: Timestamp }),
    success: Schema.Struct({
      userId: UserId,
      at: Timestamp,
      balance: Credits,
      /** Work done beyond the credits there were, as a positive number. */
      debt: Credits,
      currency: Schema.Literal("credits")
    }),
    errors: []
  }),
  /**
   * The user's statement over `from` ≤ effectiveAt < `to`: `opening`, every movement in order, `closing`. An expiry belongs
   * to the period in which it became true, whenever it was booked, so a period's statement never changes once it is over,
   * and one period's `closing` is the next one's `opening`.
   *
   * It always ties out: `opening` + Σ amounts of the `entries` of all pages and of `due` = `closing`; and so do the
   * `totals` of the first page, which count what is due under `expiry`. `due` are expiries of the period that no command
   * has booked yet; the last page has them, and the later entries have the same amounts.
   *
   * Oldest first. A period that is not over ends at `asOf` (`complete` is false), and keeps that end on its further pages.
   *
   * Role `user` (own statement). An unknown user has zeros and no entries. Fails with `InvalidRequest`: `to` is not later
   * than `from`, or more than 366 days later; `from` is still to come.
   */
  query("GetStatement", {
    role: "user",
    payload: Schema.Struct({ userId: UserId, from: Timestamp, to: Timestamp, ...PageRequest }),
    success: Schema.Struct({
      userId: UserId,
      from: Timestamp,
      to: Timestamp,
      /** The instant the statement tells of: nothing later is in it. */
      asOf: Timestamp,
      /** Whether the period is over: then the same question always has the same answer. */
      complete: Schema.Boolean,
      opening: Credits,
      closing: Credits,
      entries: Schema.Array(LedgerEntry),
      due: Schema.Array(DueExpiry),
      /** What the whole period comes to, by reason. On the first page. */
      totals: Schema.optionalKey(Schema.Array(ReasonTotal)),
      ...PageInfo
    }),
    errors: []
  })
) {}
