import { MerchantId, UserId } from "@credit/domain/Ids"
import type { Role } from "@credit/rpc/Access"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"

const common = {
  iat: Schema.Finite,
  exp: Schema.Finite,
  /** Names this token in the audit log and when it is revoked. */
  jti: Schema.String.check(Schema.isPattern(/^[!-~]{1,200}$/))
}

/** What a token says, by role: `sub` is the merchant, or the name of the person who operates the service. */
const Claims = Schema.Union([
  Schema.Struct({ ...common, role: Schema.Literals(["app", "admin"]), sub: MerchantId }),
  Schema.Struct({ ...common, role: Schema.Literal("user"), sub: MerchantId, user_id: UserId }),
  Schema.Struct({
    ...common,
    role: Schema.Literal("operator"),
    sub: Schema.String.check(Schema.isPattern(/^[!-~](?:[ -~]{0,198}[!-~])?$/))
  })
])

/** A verified token, as the service uses it. Instants are epoch seconds. */
export interface TokenClaims {
  readonly role: Role
  readonly subject: string
  /** The merchant a token is for; an operator's names none. */
  readonly merchantId: MerchantId | undefined
  readonly userId: UserId | undefined
  readonly tokenId: string
  readonly issuedAt: number
  readonly expiresAt: number
}

const decode = Schema.decodeUnknownExit(Claims)

/** The claims of a payload whose signature was verified; `undefined` if they are not ours. Other claims are let be. */
export const readClaims = (payload: unknown): TokenClaims | undefined => {
  const decoded = decode(payload)
  if (Exit.isFailure(decoded)) return undefined
  const claims = decoded.value
  return {
    role: claims.role,
    subject: claims.sub,
    merchantId: claims.role === "operator" ? undefined : claims.sub,
    userId: claims.role === "user" ? claims.user_id : undefined,
    tokenId: claims.jti,
    issuedAt: claims.iat,
    expiresAt: claims.exp
  }
}
