import type { MerchantId } from "@credit/domain/Ids"
import { MerchantUnknown, ServiceUnavailable } from "@credit/rpc/Errors"
import type { PgConnection, Row } from "@effect/sql-pg/PgConnection"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { SqlError } from "effect/sql/SqlError"
import {
  type CheckedConnection,
  type ConnectionOptions,
  OpeningFailed,
  openConnection,
  sqlState
} from "./CheckedConnection.ts"
import { MerchantPool, useEnd } from "./MerchantPool.ts"
import type { MerchantUrls } from "./MerchantUrls.ts"

/** PostgreSQL refused a query for what it says: a bug, or a rule of the database. */
export class QueryFailed extends Data.TaggedError("QueryFailed")<{
  readonly cause: SqlError
  readonly sqlState: string | undefined
}> {}

export interface MerchantDatabaseOptions extends ConnectionOptions {
  readonly poolSize: number
  readonly acquireTimeout: Duration.Duration
  /** After so long without use the pool is closed. */
  readonly idle: Duration.Duration
}

/** How a merchant's database stands, for health and metrics. */
export interface MerchantDatabaseStatus {
  readonly merchantId: MerchantId
  /** `closed`: nobody has asked for it lately. `down`: callers are refused at once until it answers again. */
  readonly state: "closed" | "open" | "down"
  readonly connections: number
  readonly inUse: number
  readonly waiting: number
  readonly problem: string | undefined
}

/** A query that got no answer for so long is suspicious, and so is a wait for a connection that ended in vain. */
const SUSPICIOUS_AFTER = 1500
/** How long a probe may take, from the socket to the answer of the check. */
const PROBE_TIMEOUT = Duration.seconds(2)
const PROBE_INTERVALS = [100, 250, 500, 1000]
/** A database that is down and that nobody asks for is not probed any longer. */
const PROBE_WHILE_ASKED = 30_000
const SECOND = 1000
/** How much later than PostgreSQL's own limit a session is cut that should have been told of it by then. */
const LEASE_GRACE = 1500
/** The longest anybody may keep a connection; a transaction of commands ends well before. */
const LONGEST_LEASE = 30 * SECOND

/** SQLSTATEs of a session or server that goes away. */
const GOING_AWAY = /^(?:08|57P)/
/** SQLSTATEs after which the same query may succeed: a timeout, a conflict, a server short of something. */
const PASSING = /^(?:57014|55P03|40001|40P01|53|58)/

type State =
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Open"; readonly pool: MerchantPool }
  | { readonly _tag: "Down"; readonly since: number; failure: OpeningFailed; asked: number }

/**
 * One merchant's database: a pool that opens on first use and closes when idle, and a breaker in front of it. Its trouble
 * is its own: nothing here waits on what another merchant does.
 *
 * The breaker: a refused connection opens it at once. Silence (a statement without an answer, a wait for a connection in
 * vain) makes it probe with a connection of its own; a probe without an answer, and no sign of life meanwhile, opens it:
 * every session is cut, so that whoever waits is told. While it is open callers are refused at once, and a probe every
 * second finds out when the database is back.
 */
export class MerchantDatabase {
  readonly merchantId: MerchantId
  readonly urls: MerchantUrls
  /** Long reads take turns here, so that they never have more than one connection of the pool between them. */
  readonly analyses = Semaphore.makeUnsafe(1)
  readonly #options: MerchantDatabaseOptions
  readonly #fork: (effect: Effect.Effect<void>) => void
  readonly #lock = Semaphore.makeUnsafe(1)
  readonly #ready: Effect.Effect<MerchantDatabase> = Effect.succeed(this)
  readonly #readLimit: number
  #state: State = { _tag: "Closed" }

  /** `fork` runs background work until the service ends. */
  constructor(urls: MerchantUrls, options: MerchantDatabaseOptions, fork: (effect: Effect.Effect<void>) => void) {
    this.merchantId = urls.merchantId
    this.urls = urls
    this.#options = options
    this.#fork = fork
    this.#readLimit = Duration.toMillis(options.statementTimeout) + LEASE_GRACE
  }

  /** This database, once it was found to be the merchant's and to be migrated. */
  readonly opened: Effect.Effect<MerchantDatabase, MerchantUnknown | ServiceUnavailable> = Effect.suspend(() => {
    const state = this.#state
    if (state._tag === "Open" && state.pool.proven) return this.#ready
    if (this.#isNobodys()) return Effect.fail(new MerchantUnknown())
    return Effect.catch(Effect.as(Effect.scoped(this.#take), this), (error) =>
      Effect.fail(this.#isNobodys() ? new MerchantUnknown() : error)
    )
  })

  /**
   * A session for this scope alone, within the acquire timeout. Statements sent on it without waiting for each other go out
   * together and are answered in order.
   *
   * It goes back to the pool when the scope closes, as it is: who leaves a transaction open, or gets no answer, says
   * {@link discard}. When the scope is interrupted or dies the session is ended instead.
   */
  readonly connection: Effect.Effect<PgConnection, ServiceUnavailable, Scope.Scope> = Effect.suspend(() =>
    Effect.map(this.#take, ({ connection }) => connection)
  )

  /**
   * Reads on a pooled session. A statement beyond PostgreSQL's limit, a lost session and a database that is down are
   * `ServiceUnavailable`. A caller that leaves ends the statement.
   */
  query(
    text: string,
    parameters?: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<Row>, ServiceUnavailable | QueryFailed> {
    return Effect.suspend(() => {
      const state = this.#state
      const read = (pool: MerchantPool, opened: CheckedConnection) =>
        Effect.mapError(
          pool.lend(opened, this.#readLimit, (connection) => connection.query(text, parameters)),
          this.readFailure
        )
      const result =
        state._tag === "Open" && state.pool.hasIdle
          ? Effect.catchTag(
              state.pool.use((opened) => read(state.pool, opened)),
              "PoolClosed",
              () => Effect.fail(unavailable(1))
            )
          : Effect.scoped(Effect.flatMap(this.#acquire, ([pool, opened]) => read(pool, opened)))
      return Effect.map(result, (it) => it.rows)
    })
  }

  /**
   * Reads the one value that a statement makes as text in its column `json`. A statement that PostgreSQL refuses is a
   * defect. The caller's SQL answers for the shape.
   */
  json<A>(text: string, parameters?: ReadonlyArray<unknown>): Effect.Effect<A, ServiceUnavailable> {
    return this.query(text, parameters).pipe(
      Effect.catchTag("QueryFailed", Effect.die),
      Effect.map((rows): A => JSON.parse(String(rows[0]?.json)))
    )
  }

  /**
   * Reads for those who look after the service, as {@link json}; fails with what is wrong, in words without URL or password. A pool
   * that nobody uses stays closed: then a session of its own is opened for it, and ended.
   */
  examine<A>(text: string): Effect.Effect<A, OpeningFailed> {
    return Effect.suspend(() => {
      const state = this.#state
      if (state._tag === "Down") return Effect.fail(state.failure)
      if (state._tag === "Open") {
        return Effect.catchTag(this.json<A>(text), "ServiceUnavailable", () => Effect.fail(this.#silent))
      }
      return Effect.scoped(
        Effect.flatMap(openConnection(this.urls, this.#options), ({ connection }) =>
          Effect.mapError(connection.query(text), () => this.#silent)
        )
      ).pipe(Effect.map(({ rows }): A => JSON.parse(String(rows[0]?.json))))
    })
  }

  get #silent(): OpeningFailed {
    const state = this.#state
    if (state._tag === "Down") return state.failure
    return new OpeningFailed({ reason: "unreachable", detail: "the database does not answer" })
  }

  /**
   * Ends a session that went wrong (no answer, a lost connection, a transaction that cannot be ended), instead of giving it
   * back; and has a look at whether the database still answers.
   */
  readonly discard = (connection: PgConnection): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.#state._tag !== "Open") return Effect.void
      this.#suspect(this.#state.pool)
      return this.#state.pool.discard(connection)
    })

  /** What a caller is told of a read that failed; a lost session makes it look whether the database still answers. */
  readonly readFailure = (error: SqlError): ServiceUnavailable | QueryFailed => {
    const code = sqlState(error)
    if (error.reason._tag === "ConnectionError" || (code !== undefined && GOING_AWAY.test(code))) {
      if (this.#state._tag === "Open") this.#suspect(this.#state.pool)
      return unavailable(1)
    }
    return code !== undefined && PASSING.test(code) ? unavailable(1) : new QueryFailed({ cause: error, sqlState: code })
  }

  get status(): MerchantDatabaseStatus {
    const { merchantId } = this
    const state = this.#state
    const none = { merchantId, connections: 0, inUse: 0, waiting: 0, problem: undefined }
    if (state._tag === "Closed") return { ...none, state: "closed" }
    if (state._tag === "Down") return { ...none, state: "down", problem: state.failure.detail }
    const { inUse, size, waiting } = state.pool
    return { ...none, state: "open", connections: size, inUse, waiting }
  }

  /** When it was last used, if its pool is open and nobody uses it now. */
  get idleSince(): number | undefined {
    return this.#state._tag === "Open" ? this.#state.pool.idleSince : undefined
  }

  /** Looks after the pool; called a few times a second. */
  tend(now: number): void {
    if (this.#state._tag !== "Open") return
    const { pool } = this.#state
    pool.cutOverdue(now)
    if (pool.silentFor(now) > SUSPICIOUS_AFTER) this.#suspect(pool)
    const idleSince = pool.idleSince
    if (idleSince !== undefined && now - idleSince > Duration.toMillis(this.#options.idle)) this.#fork(this.close)
  }

  /** Closes the pool, letting what is under way end; the next use opens another. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const state = this.#state
    this.#state = { _tag: "Closed" }
    return state._tag === "Open" ? state.pool.close : Effect.void
  })

  /** A connection with its pool: opens the pool if need be, refuses at once while the database is down. */
  get #acquire(): Effect.Effect<readonly [MerchantPool, CheckedConnection], ServiceUnavailable, Scope.Scope> {
    return Effect.flatMap(this.#pool, (pool) =>
      pool.get.pipe(
        Effect.timeoutOrElse({
          duration: this.#options.acquireTimeout,
          orElse: () => {
            this.#suspect(pool)
            return Effect.fail(unavailable(1))
          }
        }),
        Effect.catchTag("OpeningFailed", (failure) => Effect.fail(this.#refused(pool, failure))),
        Effect.catchTag("PoolClosed", () => Effect.fail(unavailable(1))),
        Effect.map((opened) => [pool, opened] as const)
      )
    )
  }

  get #take(): Effect.Effect<CheckedConnection, ServiceUnavailable, Scope.Scope> {
    return Effect.flatMap(this.#acquire, ([pool, opened]) => {
      const lease = pool.lease(opened, LONGEST_LEASE)
      return Effect.as(
        Effect.addFinalizer((exit) => lease.end(useEnd(exit))),
        opened
      )
    })
  }

  readonly #pool: Effect.Effect<MerchantPool, ServiceUnavailable> = Effect.suspend(() => {
    const state = this.#state
    if (state._tag === "Open") return Effect.succeed(state.pool)
    if (state._tag === "Down") {
      state.asked = performance.now()
      return Effect.fail(unavailable(2))
    }
    return this.#lock.withPermit(
      Effect.suspend(() => {
        if (this.#state._tag !== "Closed") return this.#pool
        return Effect.map(
          MerchantPool.make(openConnection(this.urls, this.#options), this.#options.poolSize),
          (pool) => {
            this.#state = { _tag: "Open", pool }
            return pool
          }
        )
      })
    )
  })

  #isNobodys(): boolean {
    const state = this.#state
    return state._tag === "Down" && state.failure.reason === "no_database" && this.urls.fromTemplate
  }

  /** A connection could not be made: that opens the breaker, unless there were only too many. */
  #refused(pool: MerchantPool, failure: OpeningFailed): ServiceUnavailable {
    if (failure.reason === "full") return unavailable(1)
    this.#goDown(pool, failure)
    return unavailable(2)
  }

  /** Finds out, in the background, whether a database that gave cause for doubt still answers. */
  #suspect(pool: MerchantPool): void {
    const started = performance.now()
    if (!pool.beginSuspicion(started)) return
    this.#fork(
      Effect.map(this.#probe, (failure) => {
        pool.endSuspicion()
        // Full says nothing, and an answer that came meanwhile says more than the probe.
        if (failure === undefined || failure.reason === "full" || pool.answeredSince(started)) return
        this.#goDown(pool, failure)
      })
    )
  }

  /** Opens and checks a connection of its own; what is wrong, if anything is. */
  get #probe(): Effect.Effect<OpeningFailed | undefined> {
    return Effect.scoped(openConnection(this.urls, this.#options)).pipe(
      Effect.timeoutOrElse({
        duration: PROBE_TIMEOUT,
        orElse: () => Effect.fail(new OpeningFailed({ reason: "unreachable", detail: "the database does not answer" }))
      }),
      Effect.as(undefined),
      Effect.catch(Effect.succeed)
    )
  }

  #goDown(pool: MerchantPool, failure: OpeningFailed): void {
    if (this.#state._tag !== "Open" || this.#state.pool !== pool) return
    const now = performance.now()
    const down: State = { _tag: "Down", since: now, failure, asked: now }
    this.#state = down
    pool.cut()
    this.#fork(this.#log(`The database is down: ${failure.detail}`))
    this.#fork(this.#awaitReturn(down))
  }

  #awaitReturn(down: Extract<State, { _tag: "Down" }>): Effect.Effect<void> {
    const again = (attempt: number): Effect.Effect<void> =>
      Effect.andThen(
        Effect.sleep(PROBE_INTERVALS[Math.min(attempt, PROBE_INTERVALS.length - 1)] ?? SECOND),
        Effect.suspend(() => {
          if (this.#state !== down) return Effect.void
          // The next caller finds out for itself.
          if (performance.now() - down.asked > PROBE_WHILE_ASKED) return Effect.sync(() => this.#forget(down))
          return Effect.flatMap(this.#probe, (failure) => {
            if (this.#state !== down) return Effect.void
            if (failure === undefined) {
              this.#forget(down)
              const seconds = Math.round((performance.now() - down.since) / 100) / 10
              return this.#log(`The database is back after ${seconds} s`)
            }
            if (failure.reason !== "full") down.failure = failure
            return again(attempt + 1)
          })
        })
      )
    return again(0)
  }

  #forget(down: State): void {
    if (this.#state === down) this.#state = { _tag: "Closed" }
  }

  #log(message: string): Effect.Effect<void> {
    return Effect.annotateLogs(Effect.logWarning(message), { merchant_id: this.merchantId })
  }
}

const unavailable = (retryAfterSeconds: number) => new ServiceUnavailable({ retryAfterSeconds })
