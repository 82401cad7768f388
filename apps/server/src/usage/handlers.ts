import { Usage } from "@credit/rpc/Usage"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { getOperationMetrics, getUsageSummary } from "./queries.ts"

export const usageHandlers = queryHandlers(Usage, {
  GetUsageSummary: getUsageSummary,
  GetOperationMetrics: getOperationMetrics
})
