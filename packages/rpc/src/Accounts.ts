import { Credits } from "@credit/domain/Credits"
import { LotId, UserId } from "@credit/domain/Ids"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Lot } from "@credit/domain/Lot"
import { Reason } from "@credit/domain/Reason"
import { Timestamp } from "@credit/domain/Timestamp"
import { UserBalance } from "@credit/domain/UserBalance"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** How many balances can be asked for at once. */
const MAX_BALANCES = 200

/** An expiry that has become true and is booked with the account's next command. */
export const DueExpiry = Schema.Struct({ lotId: LotId, amount: Credits, effectiveAt: Timestamp }).annotate({
  identifier: "DueExpiry"
})

export class Accounts extends RpcGroup.make(
  /**
   * The user's balance, holds, debt and active lots, now. Expiries and releases that are due are counted whether or not
   * they are booked yet.
   *
   * Role `user` (own balance). An unknown user has zeros.
   */
  query("GetUserBalance", {
    role: "user",
    payload: Schema.Struct({ userId: UserId }),
    success: UserBalance,
    errors: []
  }),
  /**
   * The balances of up to 200 users at once, in the order asked for, all of one snapshot; each as `GetUserBalance` tells it.
   *
   * Role `app`. An unknown user has zeros. Fails with `InvalidRequest`: none, too many, or the same user twice.
   */
  query("GetUserBalances", {
    role: "app",
    payload: Schema.Struct({
      userIds: Schema.Array(UserId).check(
        Schema.isMinLength(1),
        Schema.isMaxLength(MAX_BALANCES),
        Schema.isUnique({ expected: "each user once" })
      )
    }),
    success: Schema.Struct({ balances: Schema.Array(UserBalance) }),
    errors: []
  }),
  /**
   * The user's ledger entries, newest first. `from` ≤ createdAt < `to`. The first page without filters also names the
   * expiries that are due but not booked yet, so that the newest `balanceAfter` plus those is the balance.
   *
   * With `reasons` a page ends after 5000 entries were looked through: it may have fewer than `limit`, even none, and still
   * a `nextCursor`.
   *
   * Role `user` (own history). An unknown user has none.
   */
  query("GetLedgerHistory", {
    role: "user",
    payload: Schema.Struct({
      userId: UserId,
      from: Schema.optionalKey(Timestamp),
      to: Schema.optionalKey(Timestamp),
      reasons: Schema.optionalKey(Schema.Array(Reason).check(Schema.isMinLength(1), Schema.isMaxLength(11))),
      ...PageRequest
    }),
    success: Schema.Struct({ entries: Schema.Array(LedgerEntry), due: Schema.Array(DueExpiry), ...PageInfo }),
    errors: []
  }),
  /**
   * The user's lots, newest first; with `activeOnly` those with credits left. Expiries that are due are counted.
   *
   * Role `user` (own lots). An unknown user has none.
   */
  query("ListLots", {
    role: "user",
    payload: Schema.Struct({ userId: UserId, activeOnly: Schema.optionalKey(Schema.Boolean), ...PageRequest }),
    success: Schema.Struct({ lots: Schema.Array(Lot), ...PageInfo }),
    errors: []
  })
) {}
