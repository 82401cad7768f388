import { Receipts } from "@credit/rpc/Receipts"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getReceipt, listReceipts } from "./queries.ts"

export const receiptHandlers = queryHandlers(Receipts, {
  GetReceipt: (database, payload, caller) => getReceipt(database, payload, caller.userId),
  ListReceipts: listReceipts
})
