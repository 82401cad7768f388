import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** `CRON_DATABASE_URL` is not a list of URLs. */
export class CronUrlsInvalid extends Schema.TaggedError<CronUrlsInvalid>()("CronUrlsInvalid", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * `CRON_DATABASE_URL`: the database that has pg_cron, by a login that may schedule jobs in other databases (a superuser, or
 * one with EXECUTE on `cron.schedule_in_database`). With merchants on several servers, one URL for each, separated by spaces.
 * Read when a merchant is migrated, and by `npm run jobs`.
 */
export const readCronUrls = Effect.gen(function* () {
  const value = yield* Effect.orDie(Config.option(Config.Redacted("CRON_DATABASE_URL")))
  const urls = Option.match(value, { onNone: () => [], onSome: (it) => Redacted.value(it).split(/\s+/) }).filter(
    (url) => url !== ""
  )
  for (const url of urls) {
    const protocol = URL.parse(url)?.protocol
    if (protocol !== "postgres:" && protocol !== "postgresql:") {
      return yield* new CronUrlsInvalid({
        problem: "CRON_DATABASE_URL is not a postgres:// URL, or several with spaces between"
      })
    }
  }
  return urls.map((url) => Redacted.make(url))
})
