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

/** An expiry that has become true and is booked with the account's next command. */
export const DueExpiry = Schema.Struct({ lotId: LotId, amount: Credits, effectiveAt: Timestamp })

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
   * The user's ledger entries, newest first. `from` ≤ createdAt < `to`. The first page without filters also names the
   * expiries that are due but not booked yet, so that the newest `balanceAfter` plus those is the balance.
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
