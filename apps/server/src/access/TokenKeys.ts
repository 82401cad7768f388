import { createSecretKey } from "node:crypto"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from "jose"
import type { Settings } from "../config/Settings.ts"

/** One way in which a token may be signed: its keys, and the algorithms that go with them. */
export interface TokenKey {
  readonly algorithms: ReadonlyArray<Algorithm>
  readonly verify: (token: string, options: Parameters<typeof jwtVerify>[2]) => Promise<unknown>
}

const SHARED = ["HS256"] as const
const ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] as const
type Algorithm = (typeof SHARED)[number] | (typeof ASYMMETRIC)[number]

/** What signs tokens here: a shared secret, at least 32 bytes. */
export const signingKey = (secret: Redacted.Redacted) => createSecretKey(Redacted.value(secret), "utf8")

/**
 * The keys that the settings name, in the order in which they are tried: the secret and then the one before the last
 * rotation, or the keys of an identity provider. The algorithm is never the token's to choose.
 */
export const tokenKeys = (settings: Settings["Service"]): ReadonlyArray<TokenKey> => {
  if (Option.isSome(settings.jwtJwksUrl)) {
    const keys: JWTVerifyGetKey = createRemoteJWKSet(settings.jwtJwksUrl.value, { timeoutDuration: 3000 })
    return [
      {
        algorithms: ASYMMETRIC,
        verify: async (token, options) =>
          (await jwtVerify(token, keys, { ...options, algorithms: [...ASYMMETRIC] })).payload
      }
    ]
  }
  return [settings.jwtSecret, settings.jwtSecretPrevious].flatMap((secret) => {
    if (Option.isNone(secret)) return []
    const key = signingKey(secret.value)
    return [
      {
        algorithms: SHARED,
        verify: async (token, options) => (await jwtVerify(token, key, { ...options, algorithms: [...SHARED] })).payload
      }
    ]
  })
}

/** Whether a verification failed because the keys could not be had, which is no fault of the token's. */
export const keysUnavailable = (error: unknown): boolean => {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true
  // The identity provider cannot be reached (a TypeError of fetch), or answered with another status than 200.
  return !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC"
}
