import { PurchaseSettled } from "@credit/domain/Command"
import { Code, UserId } from "@credit/domain/Ids"
import { Lot } from "@credit/domain/Lot"
import { Purchase } from "@credit/domain/Purchase"
import { Receipt } from "@credit/domain/Receipt"
import { ProductUnavailable } from "@credit/domain/Refusal"
import { UserBalance } from "@credit/domain/UserBalance"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { command, query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

export class Purchases extends RpcGroup.make(
  /**
   * Turns a settled payment into one lot and one receipt, in one step.
   *
   * Role `app`. Product and price must be valid at `orderPlacedAt` (the country's row, else `*`), and the snapshot's
   * amount and currency must be that row's. The lot starts now and ends after the product's access period; debt is repaid
   * out of it first.
   *
   * The payment reference is used once, for ever: again with the same user, product, amount, currency and country it
   * answers with the original lot and receipt, with others it fails with `IntentConflict`.
   *
   * Fails with `ProductUnavailable` and `InvalidRequest` (times more than 5 minutes ahead; a balance beyond 2^53 − 1).
   */
  command("Purchase.Settled", {
    role: "app",
    payload: PurchaseSettled,
    success: { lot: Lot, receipt: Receipt, userBalance: UserBalance },
    errors: [ProductUnavailable]
  }),
  /**
   * The user's purchases, newest first.
   *
   * Role `user` (own purchases). An unknown user has none.
   */
  query("ListPurchases", {
    role: "user",
    payload: Schema.Struct({ userId: UserId, ...PageRequest }),
    success: Schema.Struct({ purchases: Schema.Array(Purchase), ...PageInfo }),
    errors: []
  }),
  /**
   * Who paid: the purchases whose payment reference is `externalRef`, or with `match: "prefix"` begins with it, in the order
   * of their references. Upper and lower case differ.
   *
   * Role `admin`.
   */
  query("SearchUsersByPurchaseRef", {
    role: "admin",
    payload: Schema.Struct({
      externalRef: Code,
      match: Schema.optionalKey(Schema.Literals(["exact", "prefix"])),
      ...PageRequest
    }),
    success: Schema.Struct({ purchases: Schema.Array(Purchase), ...PageInfo }),
    errors: []
  })
) {}
