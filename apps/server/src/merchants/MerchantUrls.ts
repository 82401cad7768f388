import { MerchantId } from "@credit/domain/Ids"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** Where one merchant's data is. The migration URL names the owner role; without one the runtime URL migrates too. */
export interface MerchantUrls {
  readonly merchantId: MerchantId
  readonly runtimeUrl: Redacted.Redacted
  readonly migrationUrl: Redacted.Redacted | undefined
  /** From a template: then nobody has said that such a merchant exists, only its database can. */
  readonly fromTemplate: boolean
}

/** What the environment says about merchants' databases. */
export interface MerchantEnvironment {
  readonly configured: ReadonlyMap<MerchantId, MerchantUrls>
  readonly template: Redacted.Redacted | undefined
  readonly migrationTemplate: Redacted.Redacted | undefined
  /** What is wrong, a line each, naming variables and never a value. */
  readonly problems: ReadonlyArray<string>
}

const TEMPLATE = "MERCHANT_DATABASE_URL_TEMPLATE"
const MIGRATION_TEMPLATE = "MERCHANT_MIGRATION_DATABASE_URL_TEMPLATE"
const VARIABLE = /^MERCHANT_(.+?)_(MIGRATION_)?DATABASE_URL$/i

export const isMerchantId = Schema.is(MerchantId)

/**
 * Reads `MERCHANT_<ID>_DATABASE_URL`, `MERCHANT_<ID>_MIGRATION_DATABASE_URL` and the two templates. `ACME_CORP` stands for
 * the merchant `acme-corp`. Two variables for one merchant, a name that is no merchant's, an empty value and a URL that is
 * none are problems. An id that ends in `-migration` cannot be named so: its variable reads as the migration URL of the id
 * without that ending.
 */
export const readMerchantUrls = (environment: Readonly<Record<string, string | undefined>>): MerchantEnvironment => {
  const problems: Array<string> = []
  const runtime = new Map<MerchantId, { readonly variable: string; readonly url: string }>()
  const migration = new Map<MerchantId, { readonly variable: string; readonly url: string }>()
  for (const variable of Object.keys(environment).toSorted()) {
    const url = environment[variable]
    const match = VARIABLE.exec(variable)
    if (url === undefined || match === null) continue
    const id = (match[1] ?? "").toLowerCase().replaceAll("_", "-")
    const found = match[2] === undefined ? runtime : migration
    if (!isMerchantId(id)) {
      problems.push(`${variable}: "${id}" is no merchant id (a lower-case letter, then 1–30 of [a-z0-9-])`)
      continue
    }
    const other = found.get(id)
    if (other !== undefined) problems.push(`${variable} and ${other.variable} both name the merchant ${id}`)
    const problem = urlProblem(url)
    if (problem !== undefined) problems.push(`${variable}: ${problem}`)
    found.set(id, { variable, url })
  }
  const template = readTemplate(environment, TEMPLATE, problems)
  const migrationTemplate = readTemplate(environment, MIGRATION_TEMPLATE, problems)
  if (migrationTemplate !== undefined && template === undefined && runtime.size === 0) {
    problems.push(`${MIGRATION_TEMPLATE} is set, but no merchant has a database URL`)
  }
  for (const [id, { variable }] of migration) {
    if (!runtime.has(id) && template === undefined) {
      problems.push(`${variable}: the merchant ${id} has no MERCHANT_<ID>_DATABASE_URL`)
    }
  }
  const configured = new Map<MerchantId, MerchantUrls>()
  for (const id of new Set([...runtime.keys(), ...migration.keys()])) {
    const url = runtime.get(id)?.url ?? (template && expand(template, id))
    if (url === undefined) continue
    const migrationUrl = migration.get(id)?.url ?? (migrationTemplate && expand(migrationTemplate, id))
    configured.set(id, {
      merchantId: id,
      runtimeUrl: Redacted.make(url),
      migrationUrl: migrationUrl === undefined ? undefined : Redacted.make(migrationUrl),
      fromTemplate: false
    })
  }
  return {
    configured,
    template: template === undefined ? undefined : Redacted.make(template),
    migrationTemplate: migrationTemplate === undefined ? undefined : Redacted.make(migrationTemplate),
    problems
  }
}

/** The URLs of a merchant that only a template names. */
export const fromTemplate = (environment: MerchantEnvironment, merchantId: MerchantId): MerchantUrls | undefined => {
  const { migrationTemplate, template } = environment
  if (template === undefined) return undefined
  return {
    merchantId,
    runtimeUrl: Redacted.make(expand(Redacted.value(template), merchantId)),
    migrationUrl: migrationTemplate && Redacted.make(expand(Redacted.value(migrationTemplate), merchantId)),
    fromTemplate: true
  }
}

const expand = (template: string, id: MerchantId): string => template.replaceAll("{id}", id)

const readTemplate = (
  environment: Readonly<Record<string, string | undefined>>,
  variable: string,
  problems: Array<string>
): string | undefined => {
  const template = environment[variable]
  if (template === undefined) return undefined
  const problem = template.includes("{id}")
    ? urlProblem(template.replaceAll("{id}", "acme"))
    : 'has no "{id}" to put the merchant in'
  if (problem !== undefined) problems.push(`${variable}: ${problem}`)
  return template
}

const urlProblem = (text: string): string | undefined => {
  if (text.trim() === "") return "is empty"
  const url = URL.parse(text)
  if (url === null) return "is not a URL"
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") return "is not a postgres:// URL"
  if (url.pathname.length < 2 && !url.searchParams.has("dbname")) return "names no database"
  return undefined
}
