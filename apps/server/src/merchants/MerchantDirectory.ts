import type { MerchantId } from "@credit/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { Settings, SettingsInvalid } from "../config/Settings.ts"
import { fromTemplate, type MerchantEnvironment, type MerchantUrls, readMerchantUrls } from "./MerchantUrls.ts"

/** Where the databases of merchants are that nobody names, with `{id}` for the merchant. */
export interface MerchantTemplates {
  readonly runtime: Redacted.Redacted
  readonly migration: Redacted.Redacted
}

/** Which merchants there are and where their databases are. */
export class MerchantDirectory extends Context.Service<
  MerchantDirectory,
  {
    /**
     * The merchant's URLs, `undefined` for one the service does not serve. With a template every id has URLs; whether the
     * merchant exists then shows when its database is opened.
     */
    lookup(merchantId: MerchantId): MerchantUrls | undefined
    /** The merchants that were named: in the environment, or added. Those of a template are not known until asked for. */
    list(): ReadonlyArray<MerchantUrls>
    /** The URLs of merchants that nobody named, with `{id}` where the merchant's id goes, if there are such. */
    readonly templates:
      | { readonly runtime: Redacted.Redacted; readonly migration: Redacted.Redacted | undefined }
      | undefined
    /** Names a merchant at runtime, in place of what was known of it; for the embedded server and for onboarding. */
    add(urls: MerchantUrls): void
  }
>()("@credit/server/merchants/MerchantDirectory") {
  /** From an environment. In production it must name at least one merchant, or a template. */
  static readonly layerFrom = (variables: Readonly<Record<string, string | undefined>>) =>
    Layer.effect(
      MerchantDirectory,
      Effect.gen(function* () {
        const settings = yield* Settings
        const environment = readMerchantUrls(variables)
        const problems = [...environment.problems]
        if (
          settings.environment === "production" &&
          problems.length === 0 &&
          environment.configured.size === 0 &&
          environment.template === undefined
        ) {
          problems.push(
            "no merchant has a database: set MERCHANT_<ID>_DATABASE_URL for each merchant, or MERCHANT_DATABASE_URL_TEMPLATE"
          )
        }
        if (problems.length > 0) return yield* new SettingsInvalid({ problems })
        return make(environment)
      })
    )

  /** From the process's environment. */
  static readonly layer = this.layerFrom(process.env)

  /** Just these merchants, and those of a template; for tests and embedded use. */
  static readonly layerOf = (merchants: ReadonlyArray<MerchantUrls>, templates?: MerchantTemplates) =>
    Layer.sync(MerchantDirectory, () =>
      make({
        configured: new Map(merchants.map((urls) => [urls.merchantId, urls])),
        template: templates?.runtime,
        migrationTemplate: templates?.migration,
        problems: []
      })
    )
}

const make = (environment: MerchantEnvironment): MerchantDirectory["Service"] => {
  const known = new Map(environment.configured)
  // A merchant's URLs stay the same object until they change: that is how a pool knows.
  const expanded = new Map<MerchantId, MerchantUrls>()
  const expand = (merchantId: MerchantId): MerchantUrls | undefined => {
    const urls = expanded.get(merchantId) ?? fromTemplate(environment, merchantId)
    if (urls !== undefined) expanded.set(merchantId, urls)
    return urls
  }
  const { migrationTemplate, template } = environment
  return MerchantDirectory.of({
    templates: template && { runtime: template, migration: migrationTemplate },
    lookup: (merchantId) => known.get(merchantId) ?? expand(merchantId),
    list: () => [...known.values()],
    add: (urls) => {
      known.set(urls.merchantId, urls)
    }
  })
}
