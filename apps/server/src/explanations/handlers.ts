import { Explanations } from "@credit/rpc/Explanations"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { explain } from "./queries.ts"

export const explanationHandlers = queryHandlers(Explanations, { Explain: explain })
