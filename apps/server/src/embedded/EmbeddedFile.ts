import { join } from "node:path"
import type { MerchantId } from "@credit/domain/Ids"
import type { Role } from "@credit/rpc/Access"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { signToken, type TokenIssuer } from "../access/signToken.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { writePrivately } from "./EmbeddedSecrets.ts"
import { readIfThere } from "./Home.ts"

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

const fileOf = (home: string) => join(home, "embedded.json")

const NamedService = Schema.fromJsonString(Schema.Struct({ serviceUrl: Schema.String }))

/** The service that the file names; `undefined` where there is no file, or none that can be read. */
export const readEmbeddedUrl = Effect.fnUntraced(function* (home: string) {
  const text = yield* readIfThere(home, fileOf(home))
  const named = Schema.decodeUnknownOption(NamedService)(text)
  return Option.isSome(named) && URL.canParse(named.value.serviceUrl) ? named.value.serviceUrl : undefined
})

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
  yield* writePrivately(options.home, fileOf(options.home), access)
  return access
})
