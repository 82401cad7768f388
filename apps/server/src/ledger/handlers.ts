import { Accounts } from "@credit/rpc/Accounts"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getLedgerHistory, getUserBalance, getUserBalances, listLots } from "./queries.ts"

export const accountHandlers = queryHandlers(Accounts, {
  GetUserBalance: getUserBalance,
  GetUserBalances: getUserBalances,
  GetLedgerHistory: getLedgerHistory,
  ListLots: listLots
})
