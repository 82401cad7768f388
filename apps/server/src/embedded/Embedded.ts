import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Settings, SettingsInvalid } from "../config/Settings.ts"
import { MerchantDirectory, type MerchantTemplates } from "../merchants/MerchantDirectory.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { readEmbeddedUrl, writeEmbeddedFile } from "./EmbeddedFile.ts"
import { embeddedMerchants } from "./EmbeddedMerchants.ts"
import { EmbeddedPostgres } from "./EmbeddedPostgres.ts"
import { embeddedSecrets } from "./EmbeddedSecrets.ts"
import { attempt, makeDirectory } from "./Home.ts"
import { homeDirectory } from "./homeDirectory.ts"
import { welcome } from "./welcome.ts"

/** Whether nobody said where a merchant's database is, outside production: then the service brings its own. */
export const isEmbedded = (environment: Readonly<Record<string, string | undefined>>): boolean =>
  environment.NODE_ENV !== "production" &&
  environment.JWT_JWKS_URL === undefined &&
  !Object.keys(environment).some((name) => /^MERCHANT_.*DATABASE_URL/i.test(name))

/** The embedded service's home, its merchants, and where those will be that are onboarded. */
class Embedded extends Context.Service<
  Embedded,
  { readonly home: string; readonly merchants: ReadonlyArray<MerchantUrls>; readonly templates: MerchantTemplates }
>()("@credit/server/embedded/Embedded") {
  static readonly layer = Layer.effect(
    Embedded,
    Effect.gen(function* () {
      const home = yield* madeHome
      const { databasePassword } = yield* embeddedSecrets(home)
      const postgres = yield* EmbeddedPostgres.make({ home })
      return Embedded.of({ home, ...(yield* embeddedMerchants(postgres, databasePassword)) })
    })
  )
}

const madeHome = Effect.gen(function* () {
  const home = yield* homeDirectory
  // Root's home must let PostgreSQL's account pass; the secrets in it have a mode of their own.
  yield* attempt(home, () => makeDirectory(home, process.getuid?.() === 0 ? 0o711 : 0o700))
  return home
})

/** `JWT_SECRET` of the environment, or the home's own. */
const SecretFromHome = ConfigProvider.layerAdd(
  Effect.gen(function* () {
    const { jwtSecret } = yield* embeddedSecrets(yield* madeHome)
    return ConfigProvider.fromUnknown({ JWT_SECRET: jwtSecret })
  })
)

const Directory = Layer.unwrap(
  Effect.map(Embedded, ({ merchants, templates }) => MerchantDirectory.layerOf(merchants, templates))
)

/** Settings and merchants of a service that brings its own PostgreSQL. */
export const EmbeddedGround = Directory.pipe(
  Layer.provideMerge(Embedded.layer),
  Layer.provideMerge(Settings.layer.pipe(Layer.provide(SecretFromHome)))
)

/** Once the service listens: tokens for scripts and people, and what to try next. */
export const EmbeddedWelcome = Layer.effectDiscard(
  Effect.gen(function* () {
    const { home, merchants } = yield* Embedded
    const { jwtAudience, jwtIssuer, jwtSecret } = yield* Settings
    const { address } = yield* HttpServer.HttpServer
    if (!("port" in address) || Option.isNone(jwtSecret)) {
      return yield* new SettingsInvalid({ problems: ["the embedded service needs a port and JWT_SECRET"] })
    }
    const serviceUrl = `http://127.0.0.1:${address.port}`
    const issuer = { secret: jwtSecret.value, issuer: jwtIssuer, audience: jwtAudience }
    const other = yield* otherService(home, serviceUrl)
    if (other !== undefined) {
      yield* Effect.logInfo(`This is a second service on ${home}: embedded.json goes on naming ${other}`)
      return
    }
    const access = yield* writeEmbeddedFile({ home, serviceUrl, merchants, issuer })
    yield* Effect.sync(() => process.stdout.write(welcome(access, home)))
  })
)

/** The service that the home's file names, if that is another one and answers: scripts go on using it. */
const otherService = Effect.fnUntraced(function* (home: string, serviceUrl: string) {
  const named = yield* readEmbeddedUrl(home)
  if (named === undefined || named === serviceUrl) return undefined
  const answers = yield* Effect.promise(() =>
    fetch(new URL("/health/live", named), { signal: AbortSignal.timeout(1000) }).then(
      (response) => response.ok,
      () => false
    )
  )
  return answers ? named : undefined
})
