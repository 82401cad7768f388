import { join } from "node:path"
import type { MerchantId } from "@credit/domain/Ids"
import type { Role } from "@credit/rpc/Access"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { signToken, type TokenIssuer } from "../access/signToken.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { writePrivately } from "./EmbeddedSecrets.ts"

/** How long the printed tokens work; every start signs new ones. */
const TOKEN_TTL_SECONDS = 30 * 24 * 3600

/** What scripts need to reach the embedded service: `embedded.json` in its home, mode 0600. */
export interface EmbeddedAccess {
  readonly serviceUrl: string
  readonly merchants: Readonly<
    Record<string, { readonly databaseUrl: string; readonly tokens: { readonly app: string; readonly admin: string } }>
  >
  readonly operatorToken: string
}

/** Signs the tokens and writes the file. */
export const writeEmbeddedFile = Effect.fnUntraced(function* (options: {
  readonly home: string
  readonly serviceUrl: string
  readonly merchants: ReadonlyArray<MerchantUrls>
  readonly issuer: TokenIssuer
}) {
  const tokenOf = (role: Role, subject: string) =>
    signToken({ role, subject, ttlSeconds: TOKEN_TTL_SECONDS }, options.issuer)
  const entries = yield* Effect.forEach(options.merchants, ({ merchantId, runtimeUrl }) =>
    Effect.gen(function* () {
      const tokens = { app: yield* tokenOf("app", merchantId), admin: yield* tokenOf("admin", merchantId) }
      const entry: readonly [MerchantId, EmbeddedAccess["merchants"][string]] = [
        merchantId,
        { databaseUrl: Redacted.value(runtimeUrl), tokens }
      ]
      return entry
    })
  )
  const access: EmbeddedAccess = {
    serviceUrl: options.serviceUrl,
    merchants: Object.fromEntries(entries),
    operatorToken: yield* tokenOf("operator", "local-operator")
  }
  yield* writePrivately(options.home, join(options.home, "embedded.json"), access)
  return access
})
