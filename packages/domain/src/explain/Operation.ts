import type { EntryState } from "../LedgerEntry.ts"
import type { OperationState } from "../Operation.ts"
import { timestampText } from "../Timestamp.ts"
import { costWords, credits, exactCost } from "./words.ts"

/** How a closed operation's cost came about. */
export interface CostFacts {
  readonly resourceAmount: string
  readonly resourceUnit: string
  readonly capturedRate: string
  /** The product before it is rounded up. */
  readonly exact: string
  readonly credits: number
  readonly held: number
  readonly beyondHold: number
  readonly debt: number
}

/** The cost of a closed operation, with its entries; `undefined` for one that was not charged. */
export const operationCost = (operation: OperationState, entries: ReadonlyArray<EntryState>): CostFacts | undefined => {
  const { capturedRate, finalCost, resourceAmount, resourceUnit } = operation
  if (finalCost === null || resourceAmount === null) return undefined
  // Closed late, it had lost its hold at its expiry.
  const held = operation.late ? 0 : operation.held
  return {
    resourceAmount,
    resourceUnit,
    capturedRate,
    exact: exactCost(resourceAmount, capturedRate),
    credits: finalCost,
    held,
    beyondHold: Math.max(0, finalCost - held),
    debt: entries.reduce((debt, { amount, lotId }) => (lotId === null ? debt - amount : debt), 0)
  }
}

/** What an operation captured, held, used and cost, a fact a line. It is taken as it stands `now`. */
export const operationLines = (operation: OperationState, now: number): ReadonlyArray<string> => {
  const { capturedRate, operationId, operationTypeCode, resourceUnit } = operation
  const opened =
    `Operation ${operationId} was opened at ${timestampText(operation.openedAt)} as ${operationTypeCode} and captured the ` +
    `rate in force: ${capturedRate} credits per unit of ${resourceUnit}; a later rate does not touch it (rule 7).`
  return [opened, hold(operation), ...ending(operation, now)]
}

const hold = ({ capturedRate, estimatedAmount, held, resourceUnit }: OperationState): string =>
  estimatedAmount === null
    ? "Without an estimate it held nothing."
    : `Its estimate of ${estimatedAmount} ${resourceUnit} held ${costWords(estimatedAmount, capturedRate, held)} (rule 6).`

const ending = (operation: OperationState, now: number): ReadonlyArray<string> => {
  const { capturedRate, closedAt, expiresAt, finalCost, held, late, resourceAmount, resourceUnit } = operation
  const expires = timestampText(expiresAt)
  switch (operation.status) {
    case "open":
      return expiresAt > now
        ? [`It is open until ${expires}; until then what it holds is kept from new claims.`]
        : [`It expired at ${expires}; from then on it holds nothing (rule 5).`]
    case "expired":
      return [`It expired at ${expires} without having been closed; its hold was released (rule 5). It cost nothing.`]
    case "cancelled": {
      const because = operation.cancelReason === null ? "" : ` (“${operation.cancelReason}”)`
      return [`It was cancelled at ${when(closedAt)}${because}: its hold was released, and it cost nothing.`]
    }
    case "closed": {
      const cost = finalCost ?? 0
      const used = resourceAmount ?? "0"
      const closed = `It was closed at ${when(closedAt)} with ${used} ${resourceUnit}: ${costWords(used, capturedRate, cost)} (rule 6).`
      if (late) {
        return [
          closed,
          `That was after its expiry at ${expires}, within the hours allowed for late closes; its hold was gone.`
        ]
      }
      if (held === 0) return [closed]
      return [
        closed,
        cost > held
          ? `The close released its hold of ${held} and charged ${credits(cost - held)} beyond it: a hold is no ceiling, the work was done.`
          : `The close released its hold of ${held}, of which ${credits(held - cost)} were not needed.`
      ]
    }
  }
}

const when = (instant: number | null): string => (instant === null ? "an unknown time" : timestampText(instant))
