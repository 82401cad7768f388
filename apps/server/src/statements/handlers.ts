import { Statements } from "@credit/rpc/Statements"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getBalanceAt, getStatement } from "./queries.ts"

export const statementHandlers = queryHandlers(Statements, { GetBalanceAt: getBalanceAt, GetStatement: getStatement })
