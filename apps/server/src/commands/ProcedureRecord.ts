import { type KeyState, verdict } from "@credit/domain/decide"
import { IntentConflict, type InvalidRequest, type RequestInProgress } from "@credit/domain/Refusal"
import { makeUuidV7 } from "@credit/domain/Uuid"
import { CONTRACT_VERSION } from "@credit/rpc/Api"
import type { PgConnection, Row } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { encodeAnswer, encodeRefusal, inProgress, type Keyed, LeaseLost, metaOf, type Procedure } from "./Procedure.ts"

/** What was found under a procedure's key: its stored answer, or that it is this caller's to run. */
export type Claim =
  | { readonly _tag: "Claimed"; readonly fence: string }
  | { readonly _tag: "Answered"; readonly response: string }

const CLAIM = `
INSERT INTO public.idempotency_tracking (
  command_type, idempotency_key, state, fingerprint, field_hashes, contract_version, transaction_id, claimed_at,
  expires_at, lease_until, fence
)
SELECT $1, $2, 'PENDING', decode($3, 'hex'), $4, ${CONTRACT_VERSION}, $5::uuid, t.now, t.now + interval '168 hours',
  t.now + $6::bigint * interval '1 millisecond', 1
FROM (SELECT app.now() AS now) AS t
ON CONFLICT (command_type, idempotency_key) DO NOTHING
RETURNING fence::text AS fence`

const FOUND = `
SELECT row_to_json(x)::text AS json FROM (
  SELECT k.state, encode(k.fingerprint, 'hex') AS fingerprint, k.field_hashes AS "fieldHashes", k.response,
    app.epoch_milliseconds(k.claimed_at) AS "claimedAt", app.epoch_milliseconds(k.expires_at) AS "expiresAt",
    app.epoch_milliseconds(k.lease_until) AS "leaseUntil", app.epoch_milliseconds(app.now()) AS now
  FROM public.idempotency_tracking AS k
  WHERE k.command_type = $1 AND k.idempotency_key = $2
  FOR UPDATE
) AS x`

/** A key that is free again keeps the time of its first claim while its 168 hours last. Each claim has a fence of its own. */
const CLAIM_AGAIN = `
UPDATE public.idempotency_tracking AS k SET
  state = 'PENDING', fingerprint = decode($3, 'hex'), field_hashes = $4, contract_version = ${CONTRACT_VERSION},
  response = NULL, transaction_id = $5::uuid,
  claimed_at = CASE WHEN k.expires_at > t.now THEN k.claimed_at ELSE t.now END,
  expires_at = CASE WHEN k.expires_at > t.now THEN k.expires_at ELSE t.now + interval '168 hours' END,
  lease_until = t.now + $6::bigint * interval '1 millisecond', fence = k.fence + 1
FROM (SELECT app.now() AS now) AS t
WHERE k.command_type = $1 AND k.idempotency_key = $2
RETURNING k.fence::text AS fence`

const HOLD = `
UPDATE public.idempotency_tracking AS k
SET lease_until = app.now() + $4::bigint * interval '1 millisecond'
WHERE k.command_type = $1 AND k.idempotency_key = $2 AND k.state = 'PENDING' AND k.fence = $3::bigint
RETURNING true AS held`

const END = `
UPDATE public.idempotency_tracking AS k SET state = $4, response = $5, lease_until = NULL
WHERE k.command_type = $1 AND k.idempotency_key = $2 AND k.state = 'PENDING' AND k.fence = $3::bigint
RETURNING true AS held`

const AUDIT = `
INSERT INTO public.audit_log (
  audit_id, at, jti, actor, role, command, idempotency_key, transaction_id, outcome, detail
)
VALUES ($1::uuid, app.now(), $2, $3, $4, $5, $6, $7::uuid, $8, $9::jsonb)`

const newId = makeUuidV7()

const only = (rows: ReadonlyArray<Row>, column: string): string | undefined => {
  const value = rows[0]?.[column]
  return value === undefined ? undefined : String(value)
}

/**
 * Claims a procedure's key within the transaction that is open on `connection`, or says what stands under it. Who comes
 * while another transaction holds the key waits for that one, as long as the session waits for locks.
 */
export const claim = Effect.fnUntraced(function* (
  connection: PgConnection,
  procedure: Keyed,
  leaseMillis: number
): Effect.fn.Return<Claim, IntentConflict | RequestInProgress | SqlError> {
  const { fieldHashes, fingerprint, key, transactionId, type } = procedure
  const claimed = [type, key, fingerprint, JSON.stringify(fieldHashes), transactionId, `${leaseMillis}`]
  for (;;) {
    const first = only((yield* connection.query(CLAIM, claimed)).rows, "fence")
    if (first !== undefined) return { _tag: "Claimed", fence: first }
    const json = only((yield* connection.query(FOUND, [type, key])).rows, "json")
    // It was cleaned away in between.
    if (json === undefined) continue
    const { fieldHashes: hashes, now, ...found }: FoundRow = JSON.parse(json)
    const state: KeyState = { ...found, fieldHashes: JSON.parse(hashes === "" ? "{}" : hashes) }
    const said = verdict(state, procedure, now)
    switch (said._tag) {
      case "Replay":
        return { _tag: "Answered", response: said.response }
      case "Conflict":
        return yield* new IntentConflict({ fields: said.fields, meta: metaOf(procedure, false) })
      case "InProgress":
        return yield* inProgress(procedure, said.retryAfterSeconds)
      case "Execute": {
        const again = only((yield* connection.query(CLAIM_AGAIN, claimed)).rows, "fence")
        if (again !== undefined) return { _tag: "Claimed", fence: again }
      }
    }
  }
})

interface FoundRow extends Omit<KeyState, "fieldHashes"> {
  readonly fieldHashes: string
  readonly now: number
}

/**
 * The first statement of every transaction that has an effect: whoever claimed the key later is then not there, and cannot
 * come before the transaction has ended. Extends the lease.
 */
export const hold = (
  connection: PgConnection,
  { key, type }: Keyed,
  fence: string,
  leaseMillis: number
): Effect.Effect<void, LeaseLost | SqlError> =>
  Effect.flatMap(connection.query(HOLD, [type, key, fence, `${leaseMillis}`]), ({ rows }) =>
    rows.length === 1 ? Effect.void : Effect.fail(new LeaseLost())
  )

/** Stores what was decided, with its one line in the audit log; both or neither, in the transaction that is open. */
export const conclude = Effect.fnUntraced(function* <A>(
  connection: PgConnection,
  procedure: Procedure<A>,
  fence: string,
  decided:
    | { readonly _tag: "Success"; readonly value: A; readonly detail?: object | undefined }
    | { readonly _tag: "Failure"; readonly refusal: InvalidRequest }
): Effect.fn.Return<string, LeaseLost | SqlError> {
  const { key, payload, sender, transactionId, type } = procedure
  const [state, response, outcome, more] =
    decided._tag === "Success"
      ? (["SUCCEEDED", encodeAnswer(procedure, decided.value), "succeeded", made(decided.detail)] as const)
      : (["FAILED_FINAL", encodeRefusal(procedure, decided.refusal), "InvalidRequest", why(decided.refusal)] as const)
  const { rows } = yield* connection.query(END, [type, key, fence, state, response])
  if (rows.length !== 1) return yield* new LeaseLost()
  yield* connection.query(AUDIT, [
    newId(Date.now()),
    sender.tokenId,
    sender.subject,
    sender.role,
    type,
    key,
    transactionId,
    outcome,
    JSON.stringify({ payload, ...more })
  ])
  return response
})

/** As the engine's lines have it: what was asked, and why it was refused; and what a procedure made, which nothing else tells. */
const made = (detail: object | undefined) => (detail === undefined ? {} : { made: detail })
const why = ({ _tag, field, message }: InvalidRequest) => ({ refusal: { _tag, field, message } })

/** Leaves the key to the next try, bound to its payload. Nothing if somebody else has it by now. */
export const letGo = (connection: PgConnection, { key, type }: Keyed, fence: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(connection.query(END, [type, key, fence, "FAILED_RETRIABLE", null]))
