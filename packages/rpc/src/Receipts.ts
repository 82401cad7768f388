import { Code, UserId } from "@credit/domain/Ids"
import { Receipt } from "@credit/domain/Receipt"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** There is no such receipt, or none that the caller may see. */
export class ReceiptNotFound extends Schema.TaggedError<ReceiptNotFound>()("ReceiptNotFound", {}) {
  override get message(): string {
    return "There is no such receipt"
  }
}

export class Receipts extends RpcGroup.make(
  /**
   * One receipt, by its number or by the payment reference it proves.
   *
   * Role `user` (own receipts). Fails with `ReceiptNotFound`.
   */
  query("GetReceipt", {
    role: "user",
    payload: Schema.Union([Schema.Struct({ receiptNumber: Code }), Schema.Struct({ externalRef: Code })]),
    success: Receipt,
    errors: [ReceiptNotFound]
  }),
  /**
   * The user's receipts, newest first.
   *
   * Role `user` (own receipts). An unknown user has none.
   */
  query("ListReceipts", {
    role: "user",
    payload: Schema.Struct({ userId: UserId, ...PageRequest }),
    success: Schema.Struct({ receipts: Schema.Array(Receipt), ...PageInfo }),
    errors: []
  })
) {}
