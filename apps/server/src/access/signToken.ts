import { randomUUID } from "node:crypto"
import type { Role } from "@credit/rpc/Access"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { SignJWT } from "jose"
import { signingKey } from "./TokenKeys.ts"

/** A token to be signed. The same request with the same secret gives the same token, if it says `issuedAt` and `tokenId`. */
export interface TokenRequest {
  readonly role: Role
  /** The merchant, or for an operator the person's name. */
  readonly subject: string
  /** The one user of a `user` token. */
  readonly userId?: string | undefined
  readonly ttlSeconds: number
  /** Epoch seconds; now unless given. */
  readonly issuedAt?: number | undefined
  /** A random one unless given. */
  readonly tokenId?: string | undefined
}

export interface TokenIssuer {
  readonly secret: Redacted.Redacted
  readonly issuer: string
  readonly audience: string
}

/** Signs a token with the shared secret (HS256). Checks nothing about who asks. */
export const signToken = (request: TokenRequest, issuer: TokenIssuer): Effect.Effect<string> => {
  const issuedAt = request.issuedAt ?? Math.floor(Date.now() / 1000)
  const claims = { role: request.role, ...(request.userId === undefined ? {} : { user_id: request.userId }) }
  return Effect.promise(() =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setIssuer(issuer.issuer)
      .setAudience(issuer.audience)
      .setSubject(request.subject)
      .setJti(request.tokenId ?? randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + request.ttlSeconds)
      .sign(signingKey(issuer.secret))
  )
}
