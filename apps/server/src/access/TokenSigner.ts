import type { IssuedToken } from "@credit/rpc/Tokens"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { Settings } from "../config/Settings.ts"
import { signToken } from "./signToken.ts"

/** What an issued token says. */
export type TokenFacts = Omit<Schema.Struct.Type<typeof IssuedToken>, "token">

/** Signs tokens for callers of the service, where it can: with a shared secret. */
export class TokenSigner extends Context.Service<
  TokenSigner,
  {
    /** `undefined` where an identity provider signs: its keys only verify. The same facts give the same token. */
    readonly sign: ((facts: TokenFacts) => Effect.Effect<string>) | undefined
  }
>()("@credit/server/access/TokenSigner") {
  static readonly layer = Layer.effect(
    TokenSigner,
    Effect.map(Settings, ({ jwtAudience, jwtIssuer, jwtSecret }) => {
      if (Option.isNone(jwtSecret)) return TokenSigner.of({ sign: undefined })
      const issuer = { secret: jwtSecret.value, issuer: jwtIssuer, audience: jwtAudience }
      return TokenSigner.of({
        sign: ({ expiresAt, issuedAt, jti, role, subject, userId }) => {
          const from = epochSeconds(issuedAt)
          const ttlSeconds = epochSeconds(expiresAt) - from
          return signToken({ role, subject, userId, issuedAt: from, ttlSeconds, tokenId: jti }, issuer)
        }
      })
    })
  )
}

const epochSeconds = (instant: DateTime.Utc): number => DateTime.toEpochMillis(instant) / 1000
