/**
 * A process that uses an embedded PostgreSQL: says in one JSON line how it came up, and leaves on SIGTERM or SIGINT.
 * Its first argument is the options, as JSON; with a second it works on for a moment after the signal, as a service drains.
 */

import { EmbeddedPostgres } from "@credit/server/embedded/EmbeddedPostgres"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const begin = performance.now()
const say = (line: object) => Effect.sync(() => process.stdout.write(`${JSON.stringify(line)}\n`))

const drain = (url: Redacted.Redacted) =>
  PgConnection.make({ url }).pipe(
    Effect.flatMap((connection) => connection.query("SELECT pg_sleep(0.5)")),
    Effect.scoped,
    Effect.andThen(Effect.logInfo("Drained")),
    Effect.catch((error) => Effect.logError(error.message))
  )

const hold = Effect.gen(function* () {
  const options = JSON.parse(process.argv[2] ?? "{}")
  const { superuserUrl, ...server } = yield* EmbeddedPostgres.make(options)
  yield* say({ ...server, url: Redacted.value(superuserUrl), ms: Math.round(performance.now() - begin) })
  if (process.argv[3] !== undefined) yield* Effect.addFinalizer(() => drain(superuserUrl))
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapError((error) => say({ error: error._tag, message: error.message }))
)

NodeRuntime.runMain(hold, { disableErrorReporting: true })
