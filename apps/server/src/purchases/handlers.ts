import { Purchases } from "@credit/rpc/Purchases"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { listPurchases, searchUsersByPurchaseRef } from "./queries.ts"

export const purchaseHandlers = queryHandlers(Purchases, {
  ListPurchases: listPurchases,
  SearchUsersByPurchaseRef: searchUsersByPurchaseRef
})
