import { type OperationState, presentOperation } from "@credit/domain/Operation"
import { OperationNotFound } from "@credit/domain/Refusal"
import type { Operations } from "@credit/rpc/Operations"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { jsonRows, OPERATION_COLUMNS } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"

/** One operation ($1), with the instant of the reading. */
const OPERATION = `
SELECT json_build_object(
  'now', app.epoch_milliseconds(app.now()),
  'operation', (SELECT row_to_json(x) FROM (
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o WHERE o.operation_id = $1
  ) AS x)
)::text AS json`

/** A user's ($1) open operations, oldest first; few, by the merchant's `maxOpenOperations`. */
const OPEN = `
SELECT json_build_object(
  'now', app.epoch_milliseconds(app.now()),
  'operations', ${jsonRows(`
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o
    WHERE o.user_id = $1 AND o.status = 'open' ORDER BY o.operation_id`)}
)::text AS json`

/** An operation as it stands: one past its expiry is expired, whether or not that is booked yet. */
export const asItStands = (operation: OperationState, now: number): OperationState =>
  operation.status === "open" && operation.expiresAt <= now ? { ...operation, status: "expired" } : operation

/** `owner` is the one user the caller may ask about; another's operation does not exist for them. */
export const getOperation = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  { operationId }: RpcPayload<typeof Operations, "GetOperation">,
  owner: string | undefined
) {
  const { now, operation } = yield* database.json<{ readonly now: number; readonly operation: OperationState | null }>(
    OPERATION,
    [operationId]
  )
  if (operation === null || (owner !== undefined && operation.userId !== owner)) return yield* new OperationNotFound({})
  const answer: RpcSuccessEncoded<typeof Operations, "GetOperation"> = presentOperation(asItStands(operation, now))
  return answer
})

export const listOpenOperations = (
  database: MerchantDatabase,
  { userId }: RpcPayload<typeof Operations, "ListOpenOperations">
) =>
  Effect.map(
    database.json<{ readonly now: number; readonly operations: ReadonlyArray<OperationState> }>(OPEN, [userId]),
    ({ now, operations }): RpcSuccessEncoded<typeof Operations, "ListOpenOperations"> => ({
      operations: operations.filter((operation) => operation.expiresAt > now).map(presentOperation)
    })
  )
