/**
 * A process that uses an embedded PostgreSQL: says in one JSON line how it came up, and leaves on SIGTERM or SIGINT.
 * Its one argument is the options, as JSON.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { EmbeddedPostgres } from "../../src/embedded/EmbeddedPostgres.ts"

const begin = performance.now()
const say = (line: object) => Effect.sync(() => process.stdout.write(`${JSON.stringify(line)}\n`))

const hold = Effect.gen(function* () {
  const options = JSON.parse(process.argv[2] ?? "{}")
  const { superuserUrl, ...server } = yield* EmbeddedPostgres.make(options)
  yield* say({ ...server, url: Redacted.value(superuserUrl), ms: Math.round(performance.now() - begin) })
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapError((error) => say({ error: error._tag, message: error.message }))
)

NodeRuntime.runMain(hold, { disableErrorReporting: true })
