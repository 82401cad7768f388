import type { MerchantId } from "@credit/domain/Ids"
import { InvalidRequest } from "@credit/domain/Refusal"
import { makeUuidV7 } from "@credit/domain/Uuid"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import type { Tokens } from "@credit/rpc/Tokens"
import type { RpcPayload } from "@credit/rpc/types"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { onMerchant } from "../commands/onMerchant.ts"
import { type Asked, metaOfAll, procedureOf } from "../commands/Procedure.ts"
import type { Made } from "../commands/runProcedure.ts"
import { allMerchants } from "../merchants/AllMerchants.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { Revocations } from "./Revocations.ts"
import { MAXIMUM_SINGLE_REVOCATIONS } from "./RevokedTokens.ts"

type Payload = RpcPayload<typeof Tokens, "Token.Revoke">

/** So many merchants are written to at a time. */
const CONCURRENCY = 4

const newId = makeUuidV7()

/** What each merchant's database keeps as the answer. */
const Revoked = Schema.Struct({ outcome: Schema.Literal("revoked") })

/**
 * Revokes tokens in one merchant's database or in all. Each database has its own transaction, with the key, the answer and
 * the audit: a merchant that cannot be reached holds up no other, and the same key does what is missing.
 */
export const revokeTokens = Effect.fn("Token.revoke")(function* (payload: Payload, asked: Asked) {
  const { merchantId } = payload
  if (merchantId !== undefined) {
    const { meta } = yield* revokeFor(merchantId, payload, asked)
    return { merchants: [{ merchantId, outcome: "revoked" as const }], meta }
  }
  if ("issuedBefore" in payload && payload.role === undefined) {
    const message = "Say the merchant or the role: all tokens of all merchants are not revoked at once"
    return yield* new InvalidRequest({ field: "merchantId", message })
  }
  const directory = yield* MerchantDirectory
  const all = yield* allMerchants(directory).pipe(
    Effect.catchTag("MerchantsNotListed", ({ problem }) =>
      Effect.andThen(
        Effect.logWarning(`The merchants cannot be listed: ${problem}`),
        Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 5 }))
      )
    )
  )
  const parts = yield* Effect.forEach(
    all,
    (urls) =>
      revokeFor(urls.merchantId, payload, asked).pipe(
        Effect.map(({ meta: { replayed } }) => ({
          merchantId: urls.merchantId,
          outcome: "revoked" as const,
          replayed
        })),
        Effect.catchTags({
          // A database of the template's form that is no merchant's has no tokens to revoke.
          MerchantUnknown: ({ message }) => Effect.succeed(failed(urls.merchantId, message)),
          ServiceUnavailable: ({ message }) => Effect.succeed(failed(urls.merchantId, message))
        })
      ),
    { concurrency: CONCURRENCY }
  )
  return {
    merchants: parts.map(({ replayed: _, ...part }) => part),
    meta: metaOfAll("Token.Revoke", asked.key, parts)
  }
})

const failed = (merchantId: MerchantId, problem: string) => ({
  merchantId,
  outcome: "failed" as const,
  problem,
  replayed: false
})

const revokeFor = Effect.fnUntraced(function* (merchantId: MerchantId, payload: Payload, asked: Asked) {
  const databases = yield* MerchantDatabases
  const revocations = yield* Revocations
  const procedure = procedureOf("Token.Revoke", merchantId, payload, asked, Revoked)
  const answer = yield* onMerchant(databases, procedure, (connection) => revoke(connection, payload))
  revocations.changed(merchantId)
  return answer
})

const COUNT = `
SELECT count(*)::integer AS revoked FROM (
  SELECT FROM public.token_revocations AS r WHERE r.jti IS NOT NULL LIMIT ${MAXIMUM_SINGLE_REVOCATIONS}
) AS x`

const INSERT = `
INSERT INTO public.token_revocations (revocation_id, jti, issued_before, role, note)
VALUES ($1::uuid, $2, $3::timestamptz, $4, $5)`

const revoke = Effect.fnUntraced(function* (
  connection: PgConnection,
  payload: Payload
): Effect.fn.Return<Made<typeof Revoked.Type>, InvalidRequest | SqlError> {
  const { note = null } = payload
  if ("jti" in payload) {
    const { rows } = yield* connection.query(COUNT)
    if (Number(rows[0]?.revoked) >= MAXIMUM_SINGLE_REVOCATIONS) {
      const message = `${MAXIMUM_SINGLE_REVOCATIONS} tokens are revoked one by one: revoke by issue time`
      return yield* new InvalidRequest({ field: "jti", message })
    }
    yield* connection.query(INSERT, [newId(Date.now()), payload.jti, null, null, note])
    return { value: { outcome: "revoked" }, detail: { jti: payload.jti } }
  }
  const { role = null } = payload
  const issuedBefore = DateTime.formatIso(payload.issuedBefore)
  const ahead = yield* connection.query("SELECT $1::timestamptz > clock_timestamp() AS ahead", [issuedBefore])
  if (ahead.rows[0]?.ahead === true) {
    const message = "lies ahead: tokens that are not issued yet cannot be revoked"
    return yield* new InvalidRequest({ field: "issuedBefore", message })
  }
  yield* connection.query(INSERT, [newId(Date.now()), null, issuedBefore, role, note])
  return { value: { outcome: "revoked" }, detail: { issuedBefore, role } }
})
