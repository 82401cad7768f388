import { spawn } from "node:child_process"
import { type FileHandle, open, rename, stat } from "node:fs/promises"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { environment, identity } from "./Command.ts"
import { ServerUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, type Home, openPrivate, undefinedIfMissing, words } from "./Home.ts"
import { openLifeline } from "./Lifeline.ts"
import { postmasterState } from "./PostmasterFile.ts"
import type { ServerAccount } from "./ServerAccount.ts"
import { elapsed, pause } from "./WallClock.ts"

/** How long a server may take to end by itself. Then it is killed, which itself can take 5 seconds. */
export const PATIENCE_SECONDS = 10

/**
 * The guard: a shell of its own session, so that Ctrl-C and a closed terminal reach only the service, which then still has
 * its database while it drains. It is the server's parent, whose pid thus cannot become another process's before it is
 * signalled; signals to end are not for it to heed. At the end of the lifeline, its standard input, it asks for a fast shutdown (SIGINT), and again each second: a
 * server in its first milliseconds does not listen yet. One that has not ended after ten is ended at once (SIGQUIT); the next
 * start then recovers, and nothing that was acknowledged is lost.
 */
const guard = `
trap '' HUP INT TERM
exec 3<&0 </dev/null
"$@" 3<&- & server=$!
{
  while read -r _ <&3; do :; done
  exec 3<&-
  seconds=0
  while kill -INT "$server"; do
    sleep 1
    seconds=$((seconds + 1))
    if [ "$seconds" -eq ${PATIENCE_SECONDS} ]; then kill -QUIT "$server"; fi
  done
} 2>/dev/null & ear=$!
exec 3<&-
wait "$server"; status=$?
kill -KILL "$ear" 2>/dev/null
exit "$status"
`

/** Given on every start, where they win over every file in the data directory. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  // None: a path of more than 107 bytes is refused, and the home may be deep.
  unix_socket_directories: "",
  // An acknowledged write survives a power cut. Stated, because everything rests on it.
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  max_connections: "200",
  shared_buffers: "128MB",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  lc_messages: "C",
  // The service reports failed statements itself; the server's log would repeat them with what users sent.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
  cluster_name: "credit"
}

export interface PostgresProcess {
  /** Done with the server's exit status once it has ended; 128 and the signal's number if it was killed. */
  readonly ended: Deferred.Deferred<number>
  /** Whether node waits for it before it ends by itself. */
  readonly ref: Effect.Effect<void>
  readonly unref: Effect.Effect<void>
}

/** `Started`, or why not yet: another program took the port, or an earlier server of these data is not quite dead. */
export type StartResult =
  | { readonly _tag: "Started"; readonly process: PostgresProcess }
  | { readonly _tag: "PortTaken" }
  | { readonly _tag: "StillEnding" }

export interface StartOptions {
  readonly home: Home
  readonly postgres: string
  readonly account: ServerAccount | undefined
  readonly dataDirectory: string
  readonly port: number
  /** What holds the lifeline's writing end; the server ends with the last such scope. */
  readonly membership: Scope.Scope
}

/** After a crash the server first replays what it had logged: at most `max_wal_size`, 1 GB. */
const READY_TIMEOUT = 300_000

/** Starts the server under its guard and waits until it accepts connections. Its lifeline must be made. */
export const startPostgres = Effect.fn("EmbeddedPostgres.start")(function* (options: StartOptions) {
  const { dataDirectory, home } = options
  const log = yield* openLog(home)
  const { logged, server } = yield* Effect.scoped(
    Effect.gen(function* () {
      const lifeline = yield* openLifeline(home, options.membership)
      const logged = (yield* attempt(home.directory, () => log.stat())).size
      return { logged, server: yield* spawnGuard(options, lifeline, log.fd) }
    })
  ).pipe(Effect.ensuring(Effect.promise(() => log.close())))

  const start = performance.now()
  let told = start
  while (true) {
    if (yield* Deferred.isDone(server.ended)) {
      return yield* explain(options, yield* Deferred.await(server.ended), logged)
    }
    const state = yield* postmasterState(dataDirectory)
    if (state._tag === "Running" && state.ready) break
    if (elapsed(start) > READY_TIMEOUT) {
      return yield* new ServerUnusable({
        dataDirectory,
        problem: `it was not ready in 5 minutes; its log is ${home.log}`
      })
    }
    if (elapsed(told) > 5000) {
      told = performance.now()
      yield* Effect.logInfo("PostgreSQL is recovering from a crash")
    }
    yield* pause(10)
  }
  // From now on a program that has nothing else to do may end: the lifeline takes care of the server.
  yield* server.unref
  return { _tag: "Started", process: server } satisfies StartResult as StartResult
})

const spawnGuard = (
  options: StartOptions,
  lifeline: number,
  log: number
): Effect.Effect<PostgresProcess, ServerUnusable> =>
  Effect.try({
    try: () => {
      const ended = Deferred.makeUnsafe<number>()
      const child = spawn("/bin/sh", guardArguments(options), {
        cwd: "/",
        detached: true,
        env: environment(),
        ...identity(options.account),
        stdio: [lifeline, log, log]
      })
      // Listened for at once: both can come with the next turn of the event loop.
      child.on("error", () => Deferred.doneUnsafe(ended, Effect.succeed(127)))
      child.on("exit", (status) => Deferred.doneUnsafe(ended, Effect.succeed(status ?? 128)))
      return { ended, ref: Effect.sync(() => child.ref()), unref: Effect.sync(() => child.unref()) }
    },
    catch: (cause) => new ServerUnusable({ dataDirectory: options.dataDirectory, problem: words(cause) })
  })

const guardArguments = ({ dataDirectory, port, postgres }: StartOptions): ReadonlyArray<string> => [
  ...["-c", guard, "credit-postgres", postgres, "-D", dataDirectory, "-p", String(port)],
  ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
]

/** What the server's last words mean. They are English: `environment` and `lc_messages` see to that. */
const explain = Effect.fnUntraced(function* ({ dataDirectory, home }: StartOptions, status: number, logged: number) {
  const said = (yield* readLog(home, logged)).trim()
  if (/could not bind IPv4 address/.test(said)) return { _tag: "PortTaken" } satisfies StartResult as StartResult
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said)) {
    return { _tag: "StillEnding" } satisfies StartResult as StartResult
  }
  const reason = /(?:FATAL|PANIC): +(.*)/.exec(said)?.[1] ?? said.split("\n").at(-1)
  const problem = `it ended with status ${status} (${reason || "and said nothing"}); its log is ${home.log}`
  return yield* new ServerUnusable({ dataDirectory, problem })
})

const LOG_LIMIT = 10 * 1024 * 1024

const openLog = (home: Home) =>
  attempt(home.directory, async () => {
    const size = (await stat(home.log).catch(undefinedIfMissing))?.size ?? 0
    if (size > LOG_LIMIT) await rename(home.log, `${home.log}.1`)
    return openPrivate(home, home.log, "a")
  })

/** What was written to the log from byte `from` on; its last 16 KiB if that is more. */
const readLog = (home: Home, from: number) =>
  attempt(home.directory, async () => {
    const log: FileHandle = await open(home.log, "r")
    try {
      const { size } = await log.stat()
      const start = Math.max(from, size - 16_384)
      const { buffer, bytesRead } = await log.read(Buffer.alloc(Math.max(size - start, 0)), { position: start })
      return buffer.subarray(0, bytesRead).toString()
    } finally {
      await log.close()
    }
  })
