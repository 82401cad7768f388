import { connect, type Socket } from "node:net"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import type { ConnectionBudget } from "./ConnectionBudget.ts"
import type { MerchantUrls } from "./MerchantUrls.ts"

/** A session with a merchant's database that was found to be that merchant's. */
export interface CheckedConnection {
  readonly connection: PgConnection.PgConnection
  /** Ends the session at once, whatever it is doing: what is in flight on it fails as a lost connection. */
  destroy(): void
  /** Runs `listener` as soon as the session is of no more use, before whoever waits for an answer on it is told. */
  onEnded(listener: () => void): void
  /** Runs `listener` when nothing is left of it. */
  onClosed(listener: () => void): void
}

/** Why a session could not be opened. */
export class OpeningFailed extends Data.TaggedError("OpeningFailed")<{
  readonly reason: /** No answer, refused, or the login does not work. */
    | "unreachable"
    /** The server has no such database. */
    | "no_database"
    /** The server is a standby: it takes no writes, and may tell of a past. */
    | "standby"
    /** The database says it is another merchant's, or nobody's yet. */
    | "wrong_merchant"
    /** The database lacks migrations that this server needs. */
    | "not_migrated"
    /** As many connections as there may be, on either side. Says nothing about the database's health. */
    | "full"
  /** For the log. Has no URL and no password in it. */
  readonly detail: string
}> {}

export interface ConnectionOptions {
  readonly budget: ConnectionBudget
  /** The newest migration this server was built with. */
  readonly requiredMigration: number
  readonly connectTimeout: Duration.Duration
  readonly statementTimeout: Duration.Duration
  readonly lockTimeout: Duration.Duration
}

/**
 * How PostgreSQL plans the statements of a session. Every statement of this service is a set of lookups by key, and must be
 * planned so whatever the statistics say: a plan that was made while a table was small, and scans it, would be kept while
 * the table grows. So each statement is planned once, and where an index can serve nothing else is considered.
 */
export const PLANNING = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off"
}

/** After so long a session that was told to end and did not is cut. */
const END_GRACE_MILLIS = 250

const milliseconds = (duration: Duration.Duration) => `${Duration.toMillis(duration)}ms`

const startupParameters = (options: ConnectionOptions) => ({
  TimeZone: "UTC",
  statement_timeout: milliseconds(options.statementTimeout),
  lock_timeout: milliseconds(options.lockTimeout),
  // What a dead client would leave behind: an open transaction, or a statement that runs on and holds its locks.
  idle_in_transaction_session_timeout: "10s",
  client_connection_check_interval: "1s",
  ...PLANNING
})

/** Which of a merchant's servers was the primary last: it is tried first. */
const lastPrimary = new WeakMap<MerchantUrls, number>()

/**
 * Opens one session with the merchant's primary. Where its URL names fallbacks, a server that cannot be reached or is a
 * standby is passed over for the next, so that after a failover the new primary is found without a restart.
 */
export const openConnection = (
  urls: MerchantUrls,
  options: ConnectionOptions
): Effect.Effect<CheckedConnection, OpeningFailed, Scope.Scope> =>
  Effect.suspend(() => {
    const addresses = serverAddresses(urls)
    const start = lastPrimary.get(urls) ?? 0
    const attempt = (tried: number): Effect.Effect<CheckedConnection, OpeningFailed, Scope.Scope> => {
      const index = (start + tried) % addresses.length
      const address = addresses[index]
      if (address === undefined) return Effect.die(new Error("a merchant's URL names no server"))
      const opening = Effect.tap(openSession(urls, address, options), () =>
        Effect.sync(() => {
          lastPrimary.set(urls, index)
        })
      )
      if (tried + 1 === addresses.length) return opening
      return Effect.catchIf(
        leavingNothing(opening),
        ({ reason }) => reason === "unreachable" || reason === "standby",
        () => attempt(tried + 1)
      )
    }
    return attempt(0)
  })

/** What an effect opened in a scope is closed at once when it fails, not when the scope is. */
const leavingNothing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.flatMap(Scope.fork(scope), (own) =>
      Effect.provideService(effect, Scope.Scope, own).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))
      )
    )
  )

/**
 * Opens one session, within the budget, and checks it before anybody gets it. Statements that are sent on it without
 * waiting go out together and are answered in order; it is exclusive because the pool lends it to one at a time.
 *
 * The socket is made here rather than by the driver, so that a session whose server does not answer can be cut.
 */
const openSession = Effect.fnUntraced(function* (
  urls: MerchantUrls,
  address: ServerAddress,
  options: ConnectionOptions
) {
  const release = yield* options.budget.take
  if (release === undefined) {
    return yield* new OpeningFailed({ reason: "full", detail: `all ${options.budget.limit} connections are in use` })
  }
  let socket: Socket | undefined
  const ended: Array<() => void> = []
  yield* Effect.addFinalizer(() => Effect.sync(() => (socket === undefined ? release() : cutAfterGrace(socket))))
  const connection = yield* PgConnection.make({
    url: loginUrl(urls),
    applicationName: "credit-service",
    connectTimeout: options.connectTimeout,
    multiplex: true,
    startupParameters: startupParameters(options),
    stream: () => {
      socket = openSocket(address)
      socket.once("close", release)
      // Before the driver's own listeners, which tell whoever waits; and the end of reading is the end of a session.
      for (const event of ["error", "end", "close"]) {
        socket.once(event, () => {
          for (const listener of ended.splice(0)) listener()
        })
      }
      return socket
    }
  }).pipe(Effect.mapError(openingFailed))
  const checked: CheckedConnection = {
    connection,
    destroy: () => socket?.destroy(),
    onEnded: (listener) => ended.push(listener),
    onClosed: (listener) => socket?.once("close", listener)
  }
  yield* checkConnection(connection, urls, options).pipe(
    Effect.timeoutOrElse({
      duration: options.connectTimeout,
      orElse: () => Effect.fail(new OpeningFailed({ reason: "unreachable", detail: "the database does not answer" }))
    })
  )
  return checked
})

const cutAfterGrace = (socket: Socket) => {
  if (!socket.destroyed) setTimeout(() => socket.destroy(), END_GRACE_MILLIS).unref()
}

interface ServerAddress {
  readonly host: string
  readonly port: number
}

/** The servers a merchant's database may be on: the URL's own, then those of its parameter `fallback` (`host:port,…`). */
export const serverAddresses = (urls: MerchantUrls): ReadonlyArray<ServerAddress> => {
  const url = new URL(Redacted.value(urls.runtimeUrl))
  const host = url.searchParams.get("host") ?? (decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "") || "localhost")
  const port = Number(url.searchParams.get("port") ?? (url.port || "5432"))
  const fallbacks = (url.searchParams.get("fallback") ?? "").split(",").filter((it) => it !== "")
  return [{ host, port }, ...fallbacks.map((it) => addressOf(it, port))]
}

const addressOf = (text: string, defaultPort: number): ServerAddress => {
  const colon = text.lastIndexOf(":")
  const named = /^\d+$/.test(text.slice(colon + 1)) && colon > 0 && !text.endsWith("]")
  const host = named ? text.slice(0, colon) : text
  return { host: host.replace(/^\[|\]$/g, ""), port: named ? Number(text.slice(colon + 1)) : defaultPort }
}

/** The URL as the driver may read it: `fallback` is ours. */
const loginUrl = (urls: MerchantUrls): Redacted.Redacted => {
  const url = new URL(Redacted.value(urls.runtimeUrl))
  if (!url.searchParams.has("fallback")) return urls.runtimeUrl
  url.searchParams.delete("fallback")
  return Redacted.make(url.href)
}

const openSocket = ({ host, port }: ServerAddress): Socket => {
  const socket = host.startsWith("/")
    ? connect({ path: `${host}/.s.PGSQL.${port}` })
    : // A statement is one write and a wait for its answer: there is nothing to wait for before sending.
      connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 })
  // The driver listens while it uses the socket; one that ends badly after that must not end the process.
  socket.on("error", () => undefined)
  return socket
}

const CHECK = `
SELECT
  (SELECT s.merchant_id FROM public.merchant_settings AS s) AS merchant_id,
  (SELECT max(m.id)::integer FROM public.migrations AS m) AS migration,
  pg_is_in_recovery() AS standby,
  concat_ws(', ',
    CASE WHEN current_setting('fsync') = 'off' THEN 'fsync' END,
    CASE WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes' END,
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit' END
  ) AS unsafe`

const UNDEFINED_TABLE = "42P01"
const UNDEFINED_SCHEMA = "3F000"
const NO_PRIVILEGE = "42501"

const checkConnection = Effect.fnUntraced(function* (
  connection: PgConnection.PgConnection,
  urls: MerchantUrls,
  options: ConnectionOptions
) {
  const result = yield* connection.query(CHECK).pipe(
    Effect.mapError((error) => {
      const code = sqlState(error)
      return code === UNDEFINED_TABLE || code === UNDEFINED_SCHEMA || code === NO_PRIVILEGE
        ? new OpeningFailed({ reason: "not_migrated", detail: `the database is not migrated: ${sqlMessage(error)}` })
        : openingFailed(error)
    })
  )
  const row = result.rows[0]
  if (row?.standby === true) {
    return yield* new OpeningFailed({ reason: "standby", detail: "the server is a standby" })
  }
  const stored = row?.merchant_id
  if (stored !== urls.merchantId) {
    const whose = typeof stored === "string" ? `the merchant ${stored}'s` : "no merchant's yet"
    return yield* new OpeningFailed({ reason: "wrong_merchant", detail: `the database is ${whose}` })
  }
  const migration = typeof row?.migration === "number" ? row.migration : 0
  if (migration < options.requiredMigration) {
    return yield* new OpeningFailed({
      reason: "not_migrated",
      detail: `the database has migration ${migration}, this server needs ${options.requiredMigration}`
    })
  }
  if (typeof row?.unsafe === "string" && row.unsafe !== "") {
    yield* warnUnsafe(urls.merchantId, row.unsafe)
  }
})

const warned = new Set<string>()

/** Once per merchant and process: the server would lose acknowledged writes in a crash. */
const warnUnsafe = (merchantId: string, unsafe: string) =>
  Effect.suspend(() => {
    const key = `${merchantId} ${unsafe}`
    if (warned.has(key)) return Effect.void
    warned.add(key)
    return Effect.logWarning(`The database may lose acknowledged writes: ${unsafe} is off`).pipe(
      Effect.annotateLogs({ merchant_id: merchantId })
    )
  })

/** The SQLSTATE or the system's error code, if there is one. */
export const sqlState = (error: SqlError): string | undefined => {
  const cause: unknown = error.reason.cause
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return undefined
  return typeof cause.code === "string" ? cause.code : undefined
}

const sqlMessage = (error: SqlError): string => {
  const cause: unknown = error.reason.cause
  return cause instanceof Error ? cause.message : (error.reason.message ?? error.reason._tag)
}

const INVALID_CATALOG_NAME = "3D000"
const TOO_MANY_CONNECTIONS = "53300"

const openingFailed = (error: SqlError): OpeningFailed => {
  const code = sqlState(error)
  const detail = sqlMessage(error)
  if (code === INVALID_CATALOG_NAME) return new OpeningFailed({ reason: "no_database", detail })
  if (code === TOO_MANY_CONNECTIONS) return new OpeningFailed({ reason: "full", detail })
  return new OpeningFailed({ reason: "unreachable", detail })
}
