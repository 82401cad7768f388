import { UserId } from "@credit/domain/Ids"
import { InvalidRequest } from "@credit/domain/Refusal"
import type { Operator } from "@credit/rpc/Access"
import { IssuedToken, type Tokens, TokenUnavailable } from "@credit/rpc/Tokens"
import type { RpcPayload } from "@credit/rpc/types"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import type { SqlError } from "effect/sql/SqlError"
import { onMerchant } from "../commands/onMerchant.ts"
import { type Asked, procedureOf } from "../commands/Procedure.ts"
import { Settings } from "../config/Settings.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import type { TokenRequest } from "./signToken.ts"
import { type TokenFacts, TokenSigner } from "./TokenSigner.ts"
import { tokenRequest } from "./tokenRequest.ts"

type Payload = RpcPayload<typeof Tokens, "Token.Issue">

/** What is kept of an issued token: everything but the token. */
export const IssuedFacts = Schema.Struct(Struct.omit(IssuedToken, ["token"]))

/**
 * Issues a token under a key. What it says is decided once and stored; the token itself is signed from that whenever it is
 * told, and so is the same every time.
 */
export const issueToken = Effect.fn("Token.issue")(function* (
  payload: Payload,
  asked: Asked,
  named: Operator["Service"]["merchantId"]
) {
  const { sign } = yield* TokenSigner
  if (sign === undefined) return yield* new TokenUnavailable({ reason: "signed_elsewhere" })
  const request = yield* readRequest(payload, named)
  const merchantId = payload.role === "operator" ? named : (payload.merchantId ?? named)
  if (merchantId === undefined) {
    const message = "The merchant whose audit log keeps that an operator's token was issued"
    return yield* new InvalidRequest({ field: "X-Merchant-Id", message })
  }
  const databases = yield* MerchantDatabases
  const procedure = procedureOf("Token.Issue", merchantId, payload, asked, IssuedFacts)
  const { meta, ...facts } = yield* onMerchant(databases, procedure, (connection) =>
    Effect.map(decideToken(connection, request, procedure.transactionId), (value) => ({
      value,
      detail: { jti: value.jti, role: value.role, subject: value.subject }
    }))
  )
  return { token: asked.dryRun ? "" : yield* sign(facts), ...facts, meta }
})

const readRequest = Effect.fnUntraced(function* (
  payload: Payload,
  named: Operator["Service"]["merchantId"]
): Effect.fn.Return<TokenRequest, InvalidRequest, Settings> {
  const { lifetimeSeconds, merchantId, role, subject, userId } = payload
  if (merchantId !== undefined && named !== undefined && merchantId !== named) {
    return yield* new InvalidRequest({ field: "merchantId", message: "X-Merchant-Id names another merchant" })
  }
  const request = tokenRequest({
    role,
    merchantId: role === "operator" ? merchantId : (merchantId ?? named),
    subject,
    userId,
    lifetimeSeconds
  })
  if ("field" in request) return yield* new InvalidRequest({ field: request.field, message: request.problem })
  const longest = Math.floor(Duration.toSeconds((yield* Settings).jwtMaximumAge))
  if (request.ttlSeconds > longest) {
    const message = `No token is accepted for longer than ${longest} seconds`
    return yield* new InvalidRequest({ field: "lifetimeSeconds", message })
  }
  return request
})

/**
 * What a token says that is issued now. By the database's own clock: a sandbox's may be years ahead, and its tokens are for
 * today.
 */
export const decideToken = (
  connection: PgConnection,
  { role, subject, ttlSeconds, userId }: TokenRequest,
  jti: string
): Effect.Effect<TokenFacts, SqlError> =>
  Effect.map(
    connection.query("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint::text AS now"),
    ({ rows }): TokenFacts => {
      const issuedAt = Number(rows[0]?.now) * 1000
      return {
        jti,
        role,
        subject,
        ...(userId === undefined ? {} : { userId: UserId.make(userId) }),
        issuedAt: DateTime.makeUnsafe(issuedAt),
        expiresAt: DateTime.makeUnsafe(issuedAt + ttlSeconds * 1000)
      }
    }
  )
