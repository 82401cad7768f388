import { MerchantId, text, UserId } from "@credit/domain/Ids"
import { Meta } from "@credit/domain/Meta"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { Role } from "./Access.ts"
import { procedure } from "./define.ts"

/** A token's own id, its `jti`: 1–200 visible ASCII characters. */
export const TokenId = Schema.String.check(
  Schema.isPattern(/^[!-~]{1,200}$/, { expected: "1–200 visible ASCII characters" })
)

/** The service cannot sign tokens: it verifies those of an identity provider (`JWT_JWKS_URL`), which issues them. */
export class TokenUnavailable extends Schema.TaggedError<TokenUnavailable>()("TokenUnavailable", {
  reason: Schema.Literals(["signed_elsewhere"]),
  meta: Schema.optionalKey(Meta)
}) {
  override get message(): string {
    return "The service cannot sign tokens: its identity provider issues them"
  }
}

/** A token that was signed, and what it says. */
export const IssuedToken = {
  /** What goes into `Authorization: Bearer …`. Kept nowhere; a replay signs the same text again. Empty in a dry run. */
  token: Schema.String,
  /** Names the token in the audit log, and to `Token.Revoke`. */
  jti: TokenId,
  role: Role,
  /** The merchant, or the operator's name. */
  subject: Schema.String,
  /** The one user of a `user` token. */
  userId: Schema.optionalKey(UserId),
  issuedAt: Timestamp,
  expiresAt: Timestamp
}

/** What a revocation names. Issue times are whole seconds: a token of the very second of `issuedBefore` is older than it. */
const Revoked = Schema.Union([
  Schema.Struct({
    /** One token. */
    jti: TokenId,
    /** In this merchant's database; in every merchant's if absent. */
    merchantId: Schema.optionalKey(MerchantId),
    note: Schema.optionalKey(text(2000))
  }),
  Schema.Struct({
    /** Every token issued before this instant, which may not lie ahead. */
    issuedBefore: Timestamp,
    /** Tokens of this role alone. `operator`: their use on these merchants. */
    role: Schema.optionalKey(Role),
    /** In this merchant's database; in every merchant's if absent, and then `role` is needed. */
    merchantId: Schema.optionalKey(MerchantId),
    note: Schema.optionalKey(text(2000))
  })
])

export class Tokens extends RpcGroup.make(
  /**
   * Signs a token. `app`, `admin` and `user` tokens are a merchant's (`merchantId`, or `X-Merchant-Id`); a `user` token is
   * about one user. An `operator` token is a person's: `subject` is the name that stands in the audit log, and `X-Merchant-Id`
   * says whose audit log keeps that it was issued.
   *
   * `lifetimeSeconds`: 12 hours for `operator` and `admin`, 90 days for `app`, an hour for `user` unless given; not beyond
   * what the service accepts (`JWT_MAX_AGE`).
   *
   * The token is kept nowhere: sent again with the same key, the same token is signed again (as long as the secret is the
   * same). After 168 hours the key makes another one.
   *
   * Role `operator`. Fails with `TokenUnavailable` and `InvalidRequest` (fields that do not go together).
   */
  procedure("Token.Issue", {
    payload: Schema.Struct({
      role: Role,
      merchantId: Schema.optionalKey(MerchantId),
      subject: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
      userId: Schema.optionalKey(UserId),
      lifetimeSeconds: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_153_600_000 })))
    }),
    success: IssuedToken,
    errors: [TokenUnavailable]
  }),
  /**
   * Makes tokens count no more: one by its `jti`, or all that were issued before an instant, of a merchant and/or a role.
   * Every server refuses them within 60 seconds, and for ever.
   *
   * Revocations are kept in the merchants' databases. With `merchantId` in that one's; without it in that of every merchant
   * the service knows, each in a transaction of its own: `merchants` says how it went, and the same key sent again does what
   * is missing. A merchant's token is refused by that merchant's revocations. An operator's is refused for a merchant by that
   * merchant's, and for what is about no merchant by those of any: revoke it without `merchantId`.
   *
   * Role `operator`. `X-Merchant-Id` plays no part. Fails with `InvalidRequest` (an `issuedBefore` ahead, or neither
   * `merchantId` nor `role`; 50,000 single tokens of a merchant revoked already: revoke by issue time).
   */
  procedure("Token.Revoke", {
    payload: Revoked,
    success: {
      merchants: Schema.Array(
        Schema.Struct({
          merchantId: MerchantId,
          /** `failed`: the database could not be written; send again with the same key. */
          outcome: Schema.Literals(["revoked", "failed"]),
          problem: Schema.optionalKey(Schema.String)
        })
      )
    },
    errors: []
  })
) {}
