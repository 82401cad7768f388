import { ServiceUnavailable, Unauthorized } from "@credit/rpc/Errors"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { errors } from "jose"
import { Settings } from "../config/Settings.ts"
import { TokenCache } from "./TokenCache.ts"
import { readClaims, type TokenClaims } from "./TokenClaims.ts"
import { keysUnavailable, type TokenKey, tokenKeys } from "./TokenKeys.ts"

/** How far ahead of our clock an issuer's may be. */
export const ISSUED_AHEAD_SECONDS = 60
/** A token longer than this is none of ours. */
const LONGEST_TOKEN = 8192
const TYPES = new Set(["JWT", "AT+JWT"])
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i

/** Verifies the tokens of callers: signature and dates. Whether one was revoked is `Revocations` to say. */
export class Tokens extends Context.Service<
  Tokens,
  {
    /**
     * Whose token an `Authorization` header carries. Whatever is wrong with it, the answer is the same `Unauthorized`; only
     * when an identity provider's keys cannot be had is it `ServiceUnavailable`.
     */
    authenticate(authorization: string | undefined): Effect.Effect<TokenClaims, Unauthorized | ServiceUnavailable>
  }
>()("@credit/server/access/Tokens") {
  static readonly layer = Layer.effect(
    Tokens,
    Effect.gen(function* () {
      const settings = yield* Settings
      return make(settings, Effect.runForkWith(yield* Effect.context()))
    })
  )
}

const UNAUTHORIZED = Effect.fail(new Unauthorized({}))

const make = (
  settings: Settings["Service"],
  fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
): Tokens["Service"] => {
  const keys = tokenKeys(settings)
  const cache = new TokenCache(settings.tokenCacheSize)
  const maximumAge = Duration.toSeconds(settings.jwtMaximumAge)
  const expected = {
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    requiredClaims: ["iss", "aud", "exp", "iat", "sub", "jti", "role"]
  }

  const inForce = (claims: TokenClaims, now: number): boolean =>
    claims.expiresAt > now && claims.issuedAt <= now + ISSUED_AHEAD_SECONDS && claims.issuedAt > now - maximumAge

  const verify = Effect.fnUntraced(function* (token: string) {
    if (!hasExpectedType(token)) return yield* UNAUTHORIZED
    const payload = yield* verifyWithAny(token, keys, expected)
    const claims = readClaims(payload)
    if (claims === undefined || !inForce(claims, Date.now() / 1000)) return yield* UNAUTHORIZED
    cache.set(token, claims)
    return claims
  })

  const underWay = new Map<string, Fiber.Fiber<TokenClaims, Unauthorized | ServiceUnavailable>>()

  /** Many calls may bring a token for the first time at once: it is verified once, for all of them. */
  const verifyOnce = (token: string): Effect.Effect<TokenClaims, Unauthorized | ServiceUnavailable> =>
    Effect.suspend(() => {
      const present = underWay.get(token)
      if (present !== undefined) return Fiber.join(present)
      const fiber = fork(verify(token))
      if (fiber.pollUnsafe() === undefined) {
        underWay.set(token, fiber)
        fiber.addObserver(() => underWay.delete(token))
      }
      return Fiber.join(fiber)
    })

  return Tokens.of({
    authenticate: (authorization) => {
      if (authorization === undefined || authorization.length > LONGEST_TOKEN) return UNAUTHORIZED
      const token = BEARER.exec(authorization)?.[1]
      if (token === undefined) return UNAUTHORIZED
      const now = Date.now() / 1000
      const claims = cache.get(token, now)
      if (claims === undefined) return verifyOnce(token)
      return inForce(claims, now) ? Effect.succeed(claims) : UNAUTHORIZED
    }
  })
}

/** Tries the keys in turn: a token signed before the last rotation is good until it expires. */
const verifyWithAny = Effect.fnUntraced(function* (
  token: string,
  keys: ReadonlyArray<TokenKey>,
  expected: Parameters<TokenKey["verify"]>[1]
) {
  for (const key of keys) {
    const result = yield* Effect.result(
      Effect.tryPromise({ try: () => key.verify(token, expected), catch: (error) => error })
    )
    if (result._tag === "Success") return result.success
    if (keysUnavailable(result.failure)) {
      const why = result.failure instanceof Error ? result.failure.message : String(result.failure)
      yield* Effect.logWarning(`The keys that verify tokens cannot be had: ${why}`)
      return yield* new ServiceUnavailable({ retryAfterSeconds: 5 })
    }
    // Only another signature may be the other key's; anything else is wrong with every key.
    if (!(result.failure instanceof errors.JWSSignatureVerificationFailed)) break
  }
  return yield* UNAUTHORIZED
})

/** A header's `typ`, where there is one, must be a JWT's: another kind of signed document is no token. */
const hasExpectedType = (token: string): boolean => {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, token.indexOf(".")), "base64url").toString("utf8"))
    if (typeof header !== "object" || header === null) return false
    if (!("typ" in header)) return true
    return typeof header.typ === "string" && TYPES.has(header.typ.toUpperCase())
  } catch {
    // No JSON: what jose would say too.
    return false
  }
}
