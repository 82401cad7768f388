/** Answers of the service in wire form, as the fake service gives them. */
export const OPERATION_ID = "0198c2f0-0000-7000-8000-000000000001"

export const meta = { transactionId: "0198c2f0-0000-5000-8000-000000000001", replayed: false }

export const operation = {
  operationId: OPERATION_ID,
  userId: "user-1",
  operationTypeCode: "llm_tokens",
  status: "open",
  capturedRate: "0.57",
  resourceUnit: "K_TOKENS",
  held: 0,
  openedAt: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-01T01:00:00.000Z",
  late: false
}

export const userBalance = {
  userId: "user-1",
  balance: 99,
  held: 0,
  available: 99,
  debt: 0,
  currency: "credits",
  asOf: "2026-01-01T00:00:01.000Z",
  activeLots: []
}

export const opened = { operation, meta }

export const cancelled = {
  operation: { ...operation, status: "cancelled", closedAt: "2026-01-01T00:00:01.000Z" },
  meta
}

export const closed = {
  operation: {
    ...operation,
    status: "closed",
    closedAt: "2026-01-01T00:00:01.000Z",
    completedAt: "2026-01-01T00:00:01.000Z",
    resourceAmount: "1.5",
    finalCost: 1
  },
  ledgerEntries: [
    {
      entryId: "0198c2f0-0000-7000-8000-000000000002",
      seq: 2,
      amount: -1,
      balanceAfter: 99,
      reason: "debit",
      lotId: "0198c2f0-0000-7000-8000-000000000003",
      operationId: OPERATION_ID,
      operationType: "llm_tokens",
      resourceAmount: "1.5",
      resourceUnit: "K_TOKENS",
      capturedRate: "0.57",
      effectiveAt: "2026-01-01T00:00:01.000Z",
      createdAt: "2026-01-01T00:00:01.000Z",
      hash: "00"
    }
  ],
  userBalance,
  meta
}
