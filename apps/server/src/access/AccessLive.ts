import type { MerchantId } from "@credit/domain/Ids"
import { InvalidRequest } from "@credit/domain/Refusal"
import { Access, Caller, Operator, OperatorAccess, RequiredRole, type Role, RoleForPayload } from "@credit/rpc/Access"
import { Forbidden, MerchantUnknown, RateLimited } from "@credit/rpc/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { isMerchantId } from "../merchants/MerchantUrls.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { observeCall } from "../telemetry/observeCall.ts"
import { MerchantLimits } from "./MerchantLimits.ts"
import { Revocations } from "./Revocations.ts"
import type { TokenClaims } from "./TokenClaims.ts"
import { Tokens } from "./Tokens.ts"

/** Each role may do what the roles before it may. */
const RANK: Readonly<Record<Role, number>> = { user: 0, app: 1, admin: 2, operator: 3 }

type Needs = Tokens | Revocations | MerchantDirectory | Metrics | Settings

/**
 * Who may call what. In this order: the token (`Unauthorized`), the role (`Forbidden`), the merchant, for a `user` token the
 * user, whether the token was revoked for this merchant (`Unauthorized`), and whether the merchant has too much under way
 * (`RateLimited`). It sees the payload as it came, before it is decoded: who may not call learns nothing about it.
 *
 * `headers.authorization` must be the HTTP request's; the edge sees to it that a body cannot set it.
 *
 * - An `operator` names the merchant in `X-Merchant-Id`; without it `InvalidRequest`. What is about no merchant, or about
 *   those its payload names ({@link OperatorAccess}), needs none.
 * - For the other roles the token's `sub` is the merchant. An `X-Merchant-Id` that names another one is `Forbidden`, as only
 *   an operator may choose; whether that merchant exists plays no part.
 * - A `user` token asking about another user is `Forbidden`. What a payload names by other ids (an operation, a receipt) is
 *   the handlers' to check, by `Caller.userId`.
 */
export const AccessLive: Layer.Layer<Access | OperatorAccess, never, Needs> = Layer.effectContext(
  Effect.gen(function* () {
    const tokens = yield* Tokens
    const revocations = yield* Revocations
    const directory = yield* MerchantDirectory
    const settings = yield* Settings
    const metrics = yield* Metrics
    const limits = new MerchantLimits(settings.merchantCallsInFlight, settings.merchantCallsPerSecond)

    const limited = <A, E, R>(who: string, handler: Effect.Effect<A, E, R>): Effect.Effect<A, E | RateLimited, R> =>
      Effect.suspend((): Effect.Effect<A, E | RateLimited, R> => {
        if (!limits.enter(who, performance.now())) return Effect.fail(new RateLimited({ retryAfterSeconds: 1 }))
        return Effect.ensuring(
          handler,
          Effect.sync(() => limits.leave(who))
        )
      })

    const access = Access.of((handler, { headers, payload, rpc }) => {
      let whose: MerchantId | undefined
      const call = Effect.flatMap(tokens.authenticate(headers.authorization), (claims) => {
        const caller = admit(claims, headers, payload, requiredRole(rpc, payload), directory)
        if (!(caller instanceof Admitted)) return Effect.fail(caller)
        const { merchantId } = caller
        whose = merchantId
        return Effect.andThen(
          revocations.check(claims, merchantId),
          limited(merchantId, Effect.provideService(handler, Caller, caller))
        )
      })
      return observeCall(metrics, rpc, () => whose, call)
    })

    const operatorAccess = OperatorAccess.of((handler, { headers, payload, rpc }) => {
      const call = Effect.flatMap(tokens.authenticate(headers.authorization), (claims) => {
        const operator = admitOperator(claims, headers, requiredRole(rpc, payload))
        if (!("subject" in operator)) return Effect.fail(operator)
        return Effect.andThen(
          revocations.check(claims, undefined),
          limited(NO_MERCHANT, Effect.provideService(handler, Operator, operator))
        )
      })
      return observeCall(metrics, rpc, () => undefined, call)
    })
    return Context.make(Access, access).pipe(Context.add(OperatorAccess, operatorAccess))
  })
)

/** What is about no merchant has the limits of one. No merchant has this id. */
const NO_MERCHANT = "*"

/** The least role for this call of an RPC. An RPC without one is a fault of the contract; no server starts with it. */
const requiredRole = (
  rpc: { readonly _tag: string; readonly annotations: Context.Context<never> },
  payload: unknown
): Role => {
  const role = Context.getOrUndefined(rpc.annotations, RequiredRole)
  if (role === undefined) throw new Error(`${rpc._tag} has no required role`)
  const forPayload = Context.get(rpc.annotations, RoleForPayload)(payload)
  return forPayload !== undefined && RANK[forPayload] > RANK[role] ? forPayload : role
}

const admitOperator = (
  claims: TokenClaims,
  headers: Headers,
  required: Role
): Operator["Service"] | Forbidden | InvalidRequest => {
  if (RANK[claims.role] < RANK[required]) return new Forbidden({ requiredRole: required })
  const merchantId = headers["x-merchant-id"]
  if (merchantId !== undefined && !isMerchantId(merchantId)) return notAMerchantId
  return { subject: claims.subject, tokenId: claims.tokenId, merchantId }
}

const notAMerchantId = new InvalidRequest({ field: "X-Merchant-Id", message: "Expected a merchant id" })

class Admitted {
  readonly merchantId: MerchantId
  readonly role: Role
  readonly subject: string
  readonly tokenId: string
  readonly userId: TokenClaims["userId"]
  constructor(claims: TokenClaims, merchantId: MerchantId) {
    this.merchantId = merchantId
    this.role = claims.role
    this.subject = claims.subject
    this.tokenId = claims.tokenId
    this.userId = claims.userId
  }
}

const admit = (
  claims: TokenClaims,
  headers: Headers,
  payload: unknown,
  required: Role,
  directory: MerchantDirectory["Service"]
): Admitted | Forbidden | InvalidRequest | MerchantUnknown => {
  if (RANK[claims.role] < RANK[required]) return new Forbidden({ requiredRole: required })
  const named = headers["x-merchant-id"]
  if (claims.merchantId === undefined && named === undefined) {
    return new InvalidRequest({ field: "X-Merchant-Id", message: "An operator names the merchant in this header" })
  }
  if (named !== undefined && !isMerchantId(named)) return notAMerchantId
  if (claims.merchantId !== undefined && named !== undefined && named !== claims.merchantId) {
    return new Forbidden({ requiredRole: "operator" })
  }
  if (claims.userId !== undefined && asksAboutAnother(payload, claims.userId)) {
    return new Forbidden({ requiredRole: "app" })
  }
  const merchantId = claims.merchantId ?? named
  if (merchantId === undefined || directory.lookup(merchantId) === undefined) return new MerchantUnknown({})
  return new Admitted(claims, merchantId)
}

const asksAboutAnother = (payload: unknown, userId: string): boolean =>
  typeof payload === "object" && payload !== null && "userId" in payload && payload.userId !== userId
