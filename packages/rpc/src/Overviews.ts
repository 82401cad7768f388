import { UserId } from "@credit/domain/Ids"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Operation } from "@credit/domain/Operation"
import { Purchase } from "@credit/domain/Purchase"
import { Timestamp } from "@credit/domain/Timestamp"
import { UserBalance } from "@credit/domain/UserBalance"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { DueExpiry } from "./Accounts.ts"
import { query } from "./define.ts"
import { ReasonTotal } from "./Statements.ts"

export class Overviews extends RpcGroup.make(
  /**
   * All there is to know of a user at a glance, of one instant: balance and active lots, operations that are open (oldest
   * first), the latest 20 entries with the expiries that are due, the latest 20 purchases, and what the entries since
   * `totalsFrom` come to by reason (30 days back unless told).
   *
   * Role `admin`. An unknown user has zeros and empty lists. Fails with `InvalidRequest`: `totalsFrom` is more than 366 days
   * back, or still to come.
   */
  query("GetAccountOverview", {
    role: "admin",
    payload: Schema.Struct({ userId: UserId, totalsFrom: Schema.optionalKey(Timestamp) }),
    success: Schema.Struct({
      balance: UserBalance,
      /** How many entries the account has. */
      entryCount: Schema.Int,
      /** When a command last moved the account; absent if none did. */
      lastMovedAt: Schema.optionalKey(Timestamp),
      openOperations: Schema.Array(Operation),
      latestEntries: Schema.Array(LedgerEntry),
      due: Schema.Array(DueExpiry),
      latestPurchases: Schema.Array(Purchase),
      totalsFrom: Timestamp,
      totals: Schema.Array(ReasonTotal)
    }),
    errors: []
  })
) {}
