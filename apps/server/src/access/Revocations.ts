import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { TokenClaims } from "./TokenClaims.ts"

/** Which tokens no longer count, although their signature and dates are good. Asked at every use of a token. */
export class Revocations extends Context.Service<
  Revocations,
  {
    isRevoked(claims: TokenClaims): boolean
  }
>()("@credit/server/access/Revocations") {
  /** Nothing is revoked. */
  static readonly layerNone = Layer.succeed(Revocations, Revocations.of({ isRevoked: () => false }))
}
