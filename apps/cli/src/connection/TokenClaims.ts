import * as Schema from "effect/Schema"

const Claims = Schema.fromJsonString(
  Schema.Struct({
    role: Schema.optionalKey(Schema.String),
    sub: Schema.optionalKey(Schema.String),
    exp: Schema.optionalKey(Schema.Finite),
    jti: Schema.optionalKey(Schema.String)
  })
)
export type TokenClaims = typeof Claims.Type

/**
 * What a token says about itself, unverified: enough to explain to its owner why the service refused it. `undefined` for
 * what is no JWT.
 */
export const readClaims = (token: string): TokenClaims | undefined => {
  const [, payload, signature] = token.split(".")
  if (payload === undefined || signature === undefined) return undefined
  const decoded = Schema.decodeUnknownResult(Claims)(Buffer.from(payload, "base64url").toString("utf8"))
  return decoded._tag === "Success" ? decoded.success : undefined
}
