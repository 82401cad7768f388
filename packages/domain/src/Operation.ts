import * as Schema from "effect/Schema"
import { Credits, PositiveCredits } from "./Credits.ts"
import { Rate, ResourceAmount } from "./Decimal.ts"
import { Code, OperationId, UserId } from "./Ids.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** `open` → `closed` or `cancelled`, or `expired` from `expiresAt` on; an expired one may still close late. */
export const OperationStatus = Schema.Literals(["open", "closed", "cancelled", "expired"])
export type OperationStatus = typeof OperationStatus.Type

/** A piece of metered work: opened at a captured rate, then closed with what it used. */
export const Operation = Schema.Struct({
  operationId: OperationId,
  userId: UserId,
  operationTypeCode: Code,
  status: OperationStatus,
  capturedRate: Rate,
  resourceUnit: Code,
  workflowId: Schema.optionalKey(Code),
  /** The estimate the hold was made for; absent for an operation that holds nothing. */
  estimatedAmount: Schema.optionalKey(ResourceAmount),
  /** Credits set aside while it is open: the cost of the estimate, 0 without one. */
  held: Credits,
  openedAt: Timestamp,
  expiresAt: Timestamp,
  closedAt: Schema.optionalKey(Timestamp),
  /** What it used, once closed. */
  resourceAmount: Schema.optionalKey(ResourceAmount),
  finalCost: Schema.optionalKey(PositiveCredits),
  completedAt: Schema.optionalKey(Timestamp),
  /** Closed after it had expired. */
  late: Schema.Boolean
}).annotate({ identifier: "Operation" })
export type Operation = typeof Operation.Type

/** An operation as the rules see it. Decimals are in their canonical text, instants in epoch milliseconds. */
export interface OperationState {
  readonly operationId: string
  readonly userId: string
  readonly operationTypeCode: string
  readonly capturedRate: string
  readonly resourceUnit: string
  readonly workflowId: string | null
  readonly estimatedAmount: string | null
  readonly held: number
  readonly status: OperationStatus
  readonly openedAt: number
  readonly expiresAt: number
  readonly closedAt: number | null
  readonly resourceAmount: string | null
  readonly finalCost: number | null
  readonly completedAt: number | null
  readonly late: boolean
  readonly cancelReason: string | null
  /** The instant of its latest change. */
  readonly updatedAt: number
}

/** The wire form of an operation. */
export const presentOperation = (operation: OperationState): typeof Operation.Encoded => ({
  operationId: operation.operationId,
  userId: operation.userId,
  operationTypeCode: operation.operationTypeCode,
  status: operation.status,
  capturedRate: operation.capturedRate,
  resourceUnit: operation.resourceUnit,
  ...(operation.workflowId === null ? {} : { workflowId: operation.workflowId }),
  ...(operation.estimatedAmount === null ? {} : { estimatedAmount: operation.estimatedAmount }),
  held: operation.held,
  openedAt: timestampText(operation.openedAt),
  expiresAt: timestampText(operation.expiresAt),
  ...(operation.closedAt === null ? {} : { closedAt: timestampText(operation.closedAt) }),
  ...(operation.resourceAmount === null ? {} : { resourceAmount: operation.resourceAmount }),
  ...(operation.finalCost === null ? {} : { finalCost: operation.finalCost }),
  ...(operation.completedAt === null ? {} : { completedAt: timestampText(operation.completedAt) }),
  late: operation.late
})
