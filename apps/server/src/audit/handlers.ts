import { AuditLog } from "@credit/rpc/AuditLog"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { listAuditLog } from "./queries.ts"

export const auditHandlers = queryHandlers(AuditLog, { ListAuditLog: listAuditLog })
