import { Catalog } from "@credit/rpc/Catalog"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { listAvailableProducts, listOperationTypes, listProducts } from "./queries.ts"

export const catalogHandlers = queryHandlers(Catalog, {
  "Product.List": listProducts,
  ListAvailableProducts: listAvailableProducts,
  "OperationType.List": listOperationTypes
})
