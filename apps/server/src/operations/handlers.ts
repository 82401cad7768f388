import { Operations } from "@credit/rpc/Operations"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getOperation, listOpenOperations } from "./queries.ts"

export const operationHandlers = queryHandlers(Operations, {
  GetOperation: (database, payload, caller) => getOperation(database, payload, caller.userId),
  ListOpenOperations: listOpenOperations
})
