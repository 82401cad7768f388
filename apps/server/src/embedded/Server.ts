import { rm } from "node:fs/promises"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { type Binaries, prepareBinaries } from "./Binaries.ts"
import { initialise, isInitialised } from "./DataDirectory.ts"
import { type HomeUnusable, ServerUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, type Home, type ServerRecord, words, writeRecord } from "./Home.ts"
import { holdLifeline, isGuarded, makeLifeline } from "./Lifeline.ts"
import { choosePort } from "./Port.ts"
import { PATIENCE_SECONDS, type PostgresProcess, startPostgres } from "./PostgresProcess.ts"
import { disarm, type PostmasterState, postmasterState } from "./PostmasterFile.ts"
import { isHeld, tryHold } from "./ProcessLock.ts"
import type { ServerAccount } from "./ServerAccount.ts"
import { elapsed, pause, waitUntil } from "./WallClock.ts"

export const HOST = "127.0.0.1"

/** A server that accepts connections and has our password, for as long as the scope it was brought up in. */
export interface Server {
  readonly host: string
  readonly port: number
  readonly superuserUrl: Redacted.Redacted
  readonly dataDirectory: string
  readonly reused: boolean
}

export interface ServerOptions {
  readonly home: Home
  readonly record: ServerRecord
  readonly account: ServerAccount | undefined
  readonly platform: string
  readonly packageDirectory: string | undefined
  readonly copies: string
}

/** A server that ends is waited for this long; one that nobody ends is not waited for but used, see `join`. */
const ENDING_TIMEOUT = 60_000
const NOT_ENDING_AFTER = 3000

/** Joins the server that runs, or starts it. The caller holds the start lock. */
export const bringUp = Effect.fn("EmbeddedPostgres.bringUp")(function* (options: ServerOptions) {
  const { dataDirectory } = options.record
  const begin = performance.now()
  const start = yield* starter(options)
  let told = false
  while (elapsed(begin) < ENDING_TIMEOUT) {
    const state = yield* postmasterState(dataDirectory)
    const server = state._tag === "Running" ? yield* join(options, state, elapsed(begin)) : yield* start(state)
    if (server !== undefined) return server
    if (!told && elapsed(begin) > 1000) yield* Effect.logInfo("Waiting for an earlier PostgreSQL of these data to end")
    told = elapsed(begin) > 1000
    yield* pause(50)
  }
  const problem = "another server of these data has not ended in a minute; it may run in another container"
  return yield* new ServerUnusable({ dataDirectory, problem })
})

/**
 * Becomes one more user of the running server; `undefined` if it is about to end, or not ready.
 *
 * The lifeline is held before the other users are looked for: one of them still alive then means that the guard has not read
 * the end of the lifeline, and now cannot before we go too. With no other user the guard is just ending the server. A server
 * without guard, that is still there after a while, was started by somebody else's hand: it is used, and left to that hand.
 */
const join = Effect.fnUntraced(function* (
  options: ServerOptions,
  state: Extract<PostmasterState, { _tag: "Running" }>,
  waited: number
) {
  const { home } = options
  const users = yield* Effect.scope
  const membership = yield* Scope.fork(users)
  const guarded = yield* holdLifeline(home).pipe(Scope.provide(membership))
  const used = yield* isHeld(home, home.usersLock)
  const held = guarded && used && (yield* tryHold(home, home.usersLock, "shared").pipe(Scope.provide(membership)))
  const stray = !guarded && waited > NOT_ENDING_AFTER
  if (state.ready && (held || stray) && Exit.isSuccess(yield* Effect.exit(verify(options, state.port)))) {
    if (held) yield* Scope.addFinalizer(users, leave(options, membership, undefined))
    else yield* Effect.logWarning(`PostgreSQL (pid ${state.pid}) was started by somebody else and will be left running`)
    return serverAt(options, state.port, true)
  }
  yield* Scope.close(membership, Exit.void)
  return undefined
})

/** Prepares to start the server; the effect returned starts it, or says `undefined`: ask again in a moment. */
const starter = Effect.fnUntraced(function* (options: ServerOptions) {
  const { account, home } = options
  const { dataDirectory } = options.record
  const binaries = yield* Effect.cached(prepareBinaries(options))
  const busy = new Set<number>()

  return Effect.fnUntraced(function* (state: PostmasterState) {
    // No process of its own to be seen, yet a guard: the server is about to be gone, or in another container.
    if (yield* isGuarded(home)) return undefined
    const { postgres } = yield* prepareData(options, yield* binaries)
    if (state._tag === "Stale") yield* disarm(dataDirectory)
    const port = yield* claimPort(options, busy)

    const users = yield* Effect.scope
    const membership = yield* Scope.fork(users)
    yield* makeLifeline(home)
    // A fresh lock: users of an earlier server that crashed may still hold theirs.
    yield* attempt(home.directory, () => rm(home.usersLock, { force: true }))
    const held = yield* tryHold(home, home.usersLock, "shared").pipe(Scope.provide(membership))
    const result = held && (yield* startPostgres({ home, postgres, account, dataDirectory, port, membership }))
    if (result === false || result._tag !== "Started") {
      if (result !== false && result._tag === "PortTaken") busy.add(port)
      yield* Scope.close(membership, Exit.void)
      return undefined
    }
    yield* verify(options, port)
    yield* Scope.addFinalizer(users, leave(options, membership, result.process))
    yield* Effect.forkScoped(reportEnd(options, result.process))
    return serverAt(options, port, false)
  })
})

const prepareData = Effect.fnUntraced(function* (options: ServerOptions, binaries: Binaries) {
  const { account, home, record } = options
  if (yield* isInitialised(record.dataDirectory)) {
    // A start cut off between initdb's end and this line left `initialised` behind.
    if (!record.initialised) yield* writeRecord(home, { ...record, initialised: true })
    return binaries
  }
  yield* Effect.logInfo(`Making a new PostgreSQL data directory, ${record.dataDirectory}`)
  // First: the password must be known before there are data that ask for it.
  yield* writeRecord(home, record)
  yield* initialise(record.dataDirectory, binaries, account, Redacted.make(record.superuserPassword))
  yield* writeRecord(home, { ...record, initialised: true })
  return binaries
})

/** The port of last time, or another that is then kept: addresses people have noted stay right. */
const claimPort = Effect.fnUntraced(function* ({ home, record }: ServerOptions, busy: ReadonlySet<number>) {
  const port = yield* choosePort(record.port, busy)
  if (port === undefined) {
    const problem = "every port from 20000 to 32767 is in use"
    return yield* new ServerUnusable({ dataDirectory: record.dataDirectory, problem })
  }
  if (port !== record.port) {
    yield* Effect.logWarning(`Port ${record.port} is in use by another program: PostgreSQL takes ${port}`)
    yield* writeRecord(home, { ...record, initialised: true, port })
  }
  return port
})

const superuserUrl = ({ record }: ServerOptions, port: number): Redacted.Redacted =>
  Redacted.make(`postgresql://postgres:${record.superuserPassword}@${HOST}:${port}/postgres`)

const serverAt = (options: ServerOptions, port: number, reused: boolean): Server => ({
  host: HOST,
  port,
  superuserUrl: superuserUrl(options, port),
  dataDirectory: options.record.dataDirectory,
  reused
})

/** Connects as the superuser and makes sure that these are our data, whoever listens at the port. */
const verify = Effect.fnUntraced(
  function* (options: ServerOptions, port: number) {
    const { dataDirectory } = options.record
    const connection = yield* PgConnection.make({ url: superuserUrl(options, port), connectTimeout: "10 seconds" })
    const { rows } = yield* connection.query("SELECT current_setting('data_directory') AS directory")
    const found = rows[0]?.directory
    if (found === dataDirectory) return
    return yield* new ServerUnusable({ dataDirectory, problem: `the server on port ${port} serves ${found}` })
  },
  Effect.scoped,
  (effect, { record }) =>
    Effect.catchTag(effect, "SqlError", (error) =>
      Effect.fail(
        new ServerUnusable({ dataDirectory: record.dataDirectory, problem: words(error.reason.cause ?? error) })
      )
    )
)

const reportEnd = Effect.fnUntraced(function* ({ home }: ServerOptions, server: PostgresProcess) {
  const status = yield* Deferred.await(server.ended)
  yield* Effect.logError(
    `The embedded PostgreSQL ended by itself (status ${status}); restart the service. Its log is ${home.log}`
  )
})

const LOCK_TIMEOUT = 3000
const SHUTDOWN_TIMEOUT = (PATIENCE_SECONDS + 7) * 1000

/**
 * Lets go of the server. If we were its last user its guard ends it, and we stay to see that: what comes after us finds it
 * ended. Others keep it running, even if it was us who started it.
 */
const leave = Effect.fnUntraced(function* (
  options: ServerOptions,
  membership: Scope.Closeable,
  server: PostgresProcess | undefined
) {
  const { home, record } = options
  // Without the lock, at worst, a server starting now waits for this one to end.
  yield* logged(waitUntil(tryHold(home, home.startLock, "exclusive"), LOCK_TIMEOUT))
  yield* Scope.close(membership, Exit.void)
  if (yield* logged(isHeld(home, home.usersLock))) {
    return yield* Effect.logInfo("Another process uses the embedded PostgreSQL: it keeps running")
  }
  if (server !== undefined) yield* server.ref
  const hasEnded =
    server === undefined
      ? Effect.map(postmasterState(record.dataDirectory), (state) => state._tag !== "Running")
      : Deferred.isDone(server.ended)
  if (yield* logged(waitUntil(hasEnded, SHUTDOWN_TIMEOUT))) {
    return yield* Effect.logInfo("The embedded PostgreSQL has ended")
  }
  yield* Effect.logError(`The embedded PostgreSQL has been asked to end and did not; its log is ${home.log}`)
}, Effect.scoped)

/** For what may fail because the home was removed while the server ran, which must not keep the server from ending. */
const logged = <R>(effect: Effect.Effect<boolean, HomeUnusable, R>): Effect.Effect<boolean, never, R> =>
  Effect.catch(effect, (error) => Effect.as(Effect.logWarning(error.message), false))
