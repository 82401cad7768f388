import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import { available } from "../Account.ts"
import { cost } from "../Cost.ts"
import { withinBounds } from "../Credits.ts"
import { canonicalDecimal } from "../Decimal.ts"
import { presentEntry } from "../LedgerEntry.ts"
import { type OperationState, presentOperation } from "../Operation.ts"
import type { OperationTypeState } from "../OperationType.ts"
import { HOUR, MINUTE, timestampText } from "../Timestamp.ts"
import type { NewId } from "../Uuid.ts"
import { type Booking, type Detail, debit, putOperation, settleDue } from "./Booking.ts"
import { open, tooFarAhead, userBalance } from "./common.ts"
import { type Answers, type Decider, type Decision, invalid, refuse, succeed } from "./Decision.ts"
import type { State } from "./State.ts"

type OpenPayload = Parameters<Decider<"Operation.Open">>[1]
type ClosePayload = Parameters<Decider<"Operation.RecordAndClose">>[1]

/** Decides `Operation.Open`: captures the rate in force and sets the estimate's cost aside. */
export const operationOpen: Decider<"Operation.Open"> = (state, payload, { newId }) => {
  const booking = open(state, payload.userId, newId)
  const operationType = state.operationTypes.get(payload.operationTypeCode)
  if (operationType === undefined) {
    return refuse({ _tag: "OperationUnavailable", reason: "operation_type_inactive" }, booking)
  }
  const timeoutMinutes = payload.timeoutMinutes ?? state.settings.operationTimeoutMinutes
  if (timeoutMinutes > state.settings.operationTimeoutMaxMinutes) {
    return invalid("timeoutMinutes", `is more than ${state.settings.operationTimeoutMaxMinutes}`, booking)
  }
  const hold = claim(state, payload, operationType, booking)
  if (typeof hold !== "number") return hold

  const operation: OperationState = {
    operationId: newId(booking.now),
    userId: payload.userId,
    operationTypeCode: payload.operationTypeCode,
    capturedRate: operationType.creditsPerUnit,
    resourceUnit: operationType.resourceUnit,
    workflowId: payload.workflowId ?? null,
    estimatedAmount: payload.estimatedAmount === undefined ? null : canonicalDecimal(payload.estimatedAmount),
    held: hold,
    status: "open",
    openedAt: booking.now,
    expiresAt: booking.now + timeoutMinutes * MINUTE,
    closedAt: null,
    resourceAmount: null,
    finalCost: null,
    completedAt: null,
    late: false,
    cancelReason: null,
    updatedAt: booking.now
  }
  return succeed(
    { operation: presentOperation(operation) },
    { booking: putOperation(booking, operation), opened: operation.operationId }
  )
}

/**
 * The hold of a new operation: the estimate's cost, which must be available; 0 without an estimate, where the user must
 * have something available and no other such operation open. Or the refusal.
 */
const claim = (
  state: State,
  payload: OpenPayload,
  operationType: OperationTypeState,
  booking: Booking
): number | Decision<never> => {
  const { operations } = booking.account
  const free = available(booking.account)
  if (payload.estimatedAmount === undefined) {
    const busy = operations.find((operation) => operation.estimatedAmount === null)
    if (busy !== undefined) {
      const operation = presentOperation(busy)
      return refuse({ _tag: "OperationUnavailable", reason: "user_busy", operation }, booking)
    }
    return free > 0 ? 0 : refuse({ _tag: "InsufficientBalance", available: free, required: 1 }, booking)
  }
  const required = cost(payload.estimatedAmount, BigDecimal.fromStringUnsafe(operationType.creditsPerUnit))
  if (required === undefined) return invalid("estimatedAmount", "costs more than 2^53 − 1 credits", booking)
  const estimated = operations.filter((operation) => operation.estimatedAmount !== null).length
  if (estimated >= state.settings.maxOpenOperations) {
    return refuse({ _tag: "OperationUnavailable", reason: "too_many_open" }, booking)
  }
  return required <= free ? required : refuse({ _tag: "InsufficientBalance", available: free, required }, booking)
}

/** Decides `Operation.RecordAndClose`: releases the hold and debits the cost, also beyond hold and balance. */
export const operationRecordAndClose: Decider<"Operation.RecordAndClose"> = (state, payload, { newId }) => {
  const found = find(state, payload.operationId, newId)
  if (found === undefined) return refuse({ _tag: "OperationNotFound" })
  const { booking, operation } = found
  if (operation.status === "closed") return again(state, booking, payload, operation)
  if (operation.status === "cancelled") return refuse({ _tag: "OperationClosed", status: "cancelled" }, booking)
  if (operation.status === "expired") {
    const { lateCloseHours } = state.settings
    if (lateCloseHours === 0 || booking.now > operation.expiresAt + lateCloseHours * HOUR) {
      return expired(operation, booking)
    }
  }
  const refusal = mismatch(payload, operation, booking)
  if (refusal !== undefined) return refusal

  const finalCost = cost(payload.resourceAmount, BigDecimal.fromStringUnsafe(operation.capturedRate))
  if (finalCost === undefined) return invalid("resourceAmount", "costs more than 2^53 − 1 credits", booking)
  // What is available is a total as well, and the lowest of all: it must stay within the bounds.
  const heldByOthers = booking.account.held - (operation.status === "open" ? operation.held : 0)
  if (!withinBounds(booking.account.balance - heldByOthers - finalCost)) {
    return invalid("resourceAmount", "the user's debt would exceed 2^53 − 1", booking)
  }
  return close(state, booking, payload, operation, finalCost)
}

const close = (
  state: State,
  booking: Booking,
  payload: ClosePayload,
  operation: OperationState,
  finalCost: number
): Decision<Answers["Operation.RecordAndClose"]> => {
  const workflowId = operation.workflowId ?? payload.workflowId ?? null
  const closed: OperationState = {
    ...operation,
    status: "closed",
    closedAt: booking.now,
    resourceAmount: canonicalDecimal(payload.resourceAmount),
    finalCost,
    completedAt: DateTime.toEpochMillis(payload.completedAt),
    late: operation.status === "expired"
  }
  const detail: Detail = {
    reason: "debit",
    operationType: operation.operationTypeCode,
    resourceAmount: canonicalDecimal(payload.resourceAmount),
    resourceUnit: operation.resourceUnit,
    capturedRate: operation.capturedRate,
    operationId: operation.operationId,
    workflowId,
    note: null,
    actor: null
  }
  const debited = debit(putOperation(booking, closed), finalCost, state.settings.consumptionOrder, () => detail)
  // What this hold kept of due lots, and the work did not use, expires with it.
  const after = settleDue(debited)
  return succeed(
    {
      operation: presentOperation(closed),
      ledgerEntries: debited.entries.slice(booking.entries.length).map(presentEntry),
      userBalance: userBalance(state, after)
    },
    { booking: after }
  )
}

/** The operation was closed before: the original result if amount and unit agree, else a conflict (rule 9). */
const again = (
  state: State,
  booking: Booking,
  payload: ClosePayload,
  operation: OperationState
): Decision<Answers["Operation.RecordAndClose"]> => {
  const fields = [
    ...(operation.resourceAmount === canonicalDecimal(payload.resourceAmount) ? [] : ["resourceAmount"]),
    ...(payload.resourceUnit === undefined || payload.resourceUnit === operation.resourceUnit ? [] : ["resourceUnit"])
  ]
  if (fields.length > 0) return refuse({ _tag: "IntentConflict", fields }, booking)
  return succeed(
    {
      operation: presentOperation(operation),
      ledgerEntries: (state.closings.get(operation.operationId) ?? []).map(presentEntry),
      userBalance: userBalance(state, booking)
    },
    { booking }
  )
}

/** Decides `Operation.Cancel`: ends an open operation without charge. */
export const operationCancel: Decider<"Operation.Cancel"> = (state, payload, { newId }) => {
  const found = findOpen(state, payload.operationId, newId)
  if ("outcome" in found) return found
  const { booking, operation } = found
  const cancelled: OperationState = {
    ...operation,
    status: "cancelled",
    closedAt: booking.now,
    cancelReason: payload.reason ?? null
  }
  // What its hold kept of due lots expires with it.
  return succeed({ operation: presentOperation(cancelled) }, { booking: settleDue(putOperation(booking, cancelled)) })
}

/** Decides `Operation.Extend`: a later expiry, within the merchant's maximum counted from the opening. */
export const operationExtend: Decider<"Operation.Extend"> = (state, payload, { newId }) => {
  const found = findOpen(state, payload.operationId, newId)
  if ("outcome" in found) return found
  const { booking, operation } = found
  const expiresAt = booking.now + payload.timeoutMinutes * MINUTE
  const latest = operation.openedAt + state.settings.operationTimeoutMaxMinutes * MINUTE
  if (expiresAt <= operation.expiresAt) {
    return invalid("timeoutMinutes", `would not be later than ${timestampText(operation.expiresAt)}`, booking)
  }
  if (expiresAt > latest) return invalid("timeoutMinutes", `would be later than ${timestampText(latest)}`, booking)
  const extended: OperationState = { ...operation, expiresAt }
  return succeed({ operation: presentOperation(extended) }, { booking: putOperation(booking, extended) })
}

/** A named operation as it is once everything due on its account is booked. */
const find = (state: State, operationId: string, newId: NewId) => {
  const named = state.operations.get(operationId)
  if (named === undefined) return undefined
  const booking = open(state, named.userId, newId)
  return { booking, operation: booking.operations.find((it) => it.operationId === operationId) ?? named }
}

/** A named operation that is still open, or the refusal. */
const findOpen = (state: State, operationId: string, newId: NewId) => {
  const found = find(state, operationId, newId)
  if (found === undefined) return refuse({ _tag: "OperationNotFound" })
  const { booking, operation } = found
  if (operation.status === "expired") return expired(operation, booking)
  if (operation.status !== "open") return refuse({ _tag: "OperationClosed", status: operation.status }, booking)
  return found
}

const expired = (operation: OperationState, booking: Booking): Decision<never> =>
  refuse({ _tag: "OperationExpired", expiresAt: timestampText(operation.expiresAt) }, booking)

/** What of a close does not fit the operation, if anything. */
const mismatch = (payload: ClosePayload, operation: OperationState, booking: Booking): Decision<never> | undefined => {
  if (payload.resourceUnit !== undefined && payload.resourceUnit !== operation.resourceUnit) {
    return invalid("resourceUnit", `the operation is measured in ${operation.resourceUnit}`, booking)
  }
  if (
    payload.workflowId !== undefined &&
    operation.workflowId !== null &&
    payload.workflowId !== operation.workflowId
  ) {
    return invalid("workflowId", "is not the one the operation was opened with", booking)
  }
  return tooFarAhead("completedAt", payload.completedAt, booking)
}
