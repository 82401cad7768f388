import { Accounts } from "@credit/rpc/Accounts"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getLedgerHistory, getUserBalance, listLots } from "./queries.ts"

export const accountHandlers = queryHandlers(Accounts, {
  GetUserBalance: getUserBalance,
  GetLedgerHistory: getLedgerHistory,
  ListLots: listLots
})
