import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { serverError } from "../migrations/ServerError.ts"
import type { MerchantDirectory } from "./MerchantDirectory.ts"
import { isMerchantId, type MerchantUrls } from "./MerchantUrls.ts"

/** The merchants of a template cannot be told; `problem` has no URL in it. */
export class MerchantsNotListed extends Data.TaggedError("MerchantsNotListed")<{ readonly problem: string }> {}

/** How long the server of a template may take to list its databases. */
const LISTING_TIMEOUT = "5 seconds"

/**
 * Every merchant there is, by id: those that were named, and with a template every database of its server whose name the
 * template makes of a merchant id. Whether such a database is a merchant's shows when it is opened.
 */
export const allMerchants = Effect.fn("AllMerchants.list")(function* (directory: MerchantDirectory["Service"]) {
  const merchants = new Map(directory.list().map((urls) => [urls.merchantId, urls]))
  const { templates } = directory
  if (templates !== undefined) {
    const template = Redacted.value(templates.migration ?? templates.runtime)
    for (const id of yield* databasesOf(template)) {
      const urls = directory.lookup(id)
      if (urls !== undefined && !merchants.has(id)) merchants.set(id, urls)
    }
  }
  return [...merchants.values()].toSorted((a, b) =>
    a.merchantId < b.merchantId ? -1 : 1
  ) satisfies ReadonlyArray<MerchantUrls>
})

/** Stands for the id while a template is taken apart; no URL's syntax changes it. */
const PLACE = "merchant-id-goes-here"

/** The merchant ids for which the template's server has a database. */
const databasesOf = Effect.fnUntraced(function* (template: string) {
  const url = new URL(template.replaceAll("{id}", PLACE))
  const [prefix, suffix, ...more] = decodeURIComponent(url.pathname.slice(1)).split(PLACE)
  url.pathname = "/postgres"
  if (prefix === undefined || suffix === undefined || more.length > 0 || url.href.includes(PLACE)) {
    return yield* new MerchantsNotListed({
      problem: "the template has its {id} elsewhere than once in the database's name: name the merchants"
    })
  }
  const rows = yield* Effect.scoped(
    Effect.flatMap(PgConnection.make({ url: Redacted.make(url.href) }), (connection) =>
      connection.query("SELECT datname::text AS name FROM pg_database WHERE datallowconn AND NOT datistemplate")
    )
  ).pipe(
    Effect.timeoutOrElse({
      duration: LISTING_TIMEOUT,
      orElse: () => Effect.fail(new MerchantsNotListed({ problem: "the template's server does not answer" }))
    }),
    Effect.catchTag("SqlError", (error) => Effect.fail(new MerchantsNotListed({ problem: serverError(error).message })))
  )
  return rows.rows.flatMap(({ name }) => {
    const database = String(name)
    if (!database.startsWith(prefix) || !database.endsWith(suffix)) return []
    const id = database.slice(prefix.length, database.length - suffix.length)
    return isMerchantId(id) ? [id] : []
  })
})
