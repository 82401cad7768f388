import { Overviews } from "@credit/rpc/Overviews"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getAccountOverview } from "./queries.ts"

export const overviewHandlers = queryHandlers(Overviews, { GetAccountOverview: getAccountOverview })
