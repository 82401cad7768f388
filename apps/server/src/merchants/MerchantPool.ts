import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Pool from "effect/Pool"
import * as Scope from "effect/Scope"
import type { CheckedConnection, OpeningFailed } from "./CheckedConnection.ts"

/** The pool was closed or cut while somebody waited for a connection of it. */
export class PoolClosed extends Data.TaggedError("PoolClosed") {}

/** A connection nobody uses is kept for so long. */
const KEEP_IDLE = Duration.seconds(30)
/** How long closing waits for what is under way, and then for those whose connection was cut. */
const CLOSE_GRACE_MILLIS = 2000
const CUT_GRACE_MILLIS = 1000
/** After a probe found the database well, it is trusted for so long. */
const TRUST_MILLIS = 2000

/** How a use of a connection ended. */
export type UseEnd =
  /** The database answered: it is alive. */
  | "answered"
  /** It failed; that may be all there is to say. */
  | "failed"
  /** It was cut short: the connection may be in the middle of anything. */
  | "spoiled"

/** Somebody's use of a connection. */
export interface Lease {
  /** Gives the connection back, or ends it if it is spoiled. */
  end(how: UseEnd): Effect.Effect<void>
}

/** How a use ended, by its exit. */
export const useEnd = (exit: Exit.Exit<unknown, unknown>): UseEnd => {
  if (Exit.isSuccess(exit)) return "answered"
  return Cause.hasFails(exit.cause) ? "failed" : "spoiled"
}

interface Use {
  readonly opened: CheckedConnection
  readonly since: number
  readonly until: number
}

/**
 * The connections of one merchant, each lent to one user at a time, with a record of who has them since when. Times are
 * milliseconds of a clock that never goes back.
 *
 * Made on `effect/Pool` rather than the driver's own pool, because a database that does not answer can only be dealt with
 * by cutting sockets.
 */
export class MerchantPool {
  readonly #pool: Pool.Pool<CheckedConnection, OpeningFailed>
  readonly #scope: Scope.Closeable
  /** Those that can be used, or are. */
  readonly #connections: Set<CheckedConnection>
  /** Those of which something is left, be it a socket that says goodbye. */
  readonly #sockets: Set<CheckedConnection>
  readonly #uses = new Set<Use>()
  #waiting = 0
  #lastUsed = performance.now()
  #lastAnswer = Number.NEGATIVE_INFINITY
  #suspected = false
  #trustedUntil = 0
  #closed = false

  private constructor(
    pool: Pool.Pool<CheckedConnection, OpeningFailed>,
    scope: Scope.Closeable,
    connections: Set<CheckedConnection>,
    sockets: Set<CheckedConnection>
  ) {
    this.#pool = pool
    this.#scope = scope
    this.#connections = connections
    this.#sockets = sockets
  }

  /** A pool of at most `size` connections; none is made before it is asked for. */
  static readonly make = Effect.fnUntraced(function* (
    open: Effect.Effect<CheckedConnection, OpeningFailed, Scope.Scope>,
    size: number
  ) {
    const scope = yield* Scope.make()
    const connections = new Set<CheckedConnection>()
    const sockets = new Set<CheckedConnection>()
    const runFork = Effect.runForkWith(yield* Effect.context())
    const acquire = Effect.tap(open, (opened) =>
      Effect.sync(() => {
        connections.add(opened)
        sockets.add(opened)
        opened.onClosed(() => sockets.delete(opened))
        opened.onEnded(() => {
          connections.delete(opened)
          // Whoever waits for this very connection would wait in vain: the pool must know at once.
          runFork(Pool.invalidate(pool, opened))
        })
      })
    )
    const pool: Pool.Pool<CheckedConnection, OpeningFailed> = yield* Pool.makeWithTTL({
      acquire,
      min: 0,
      max: size,
      concurrency: 1,
      timeToLive: KEEP_IDLE,
      timeToLiveStrategy: "usage"
    }).pipe(Scope.provide(scope))
    return new MerchantPool(pool, scope, connections, sockets)
  })

  /** Whether the database has answered here once: then it is the merchant's. */
  get proven(): boolean {
    return this.#connections.size > 0 || this.#lastAnswer > 0
  }

  get size(): number {
    return this.#connections.size
  }

  get inUse(): number {
    return this.#uses.size
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Whether a connection is there to be had without waiting. */
  get hasIdle(): boolean {
    return this.#waiting === 0 && this.#uses.size < this.#connections.size
  }

  get idleSince(): number | undefined {
    return this.#uses.size === 0 && this.#waiting === 0 ? this.#lastUsed : undefined
  }

  /** For how long the eldest use has gone without any answer on this pool. */
  silentFor(now: number): number {
    for (const use of this.#uses) return now - Math.max(use.since, this.#lastAnswer)
    return 0
  }

  answeredSince(time: number): boolean {
    return this.#lastAnswer > time
  }

  /** Says whether to probe: not while a probe is under way, nor right after one found the database well. */
  beginSuspicion(now: number): boolean {
    if (this.#suspected || now < this.#trustedUntil) return false
    this.#suspected = true
    return true
  }

  endSuspicion(): void {
    this.#suspected = false
    this.#trustedUntil = performance.now() + TRUST_MILLIS
  }

  /** Waits for a connection, without limit; it is the scope's until that closes. */
  readonly get: Effect.Effect<CheckedConnection, OpeningFailed | PoolClosed, Scope.Scope> = Effect.suspend(() => {
    this.#waiting += 1
    return Effect.ensuring(
      Pool.get(this.#pool),
      Effect.sync(() => {
        this.#waiting -= 1
      })
    )
  }).pipe((wait) => this.#orClosed(wait))

  /** Takes a connection for the duration of an effect. For when {@link hasIdle}: it waits without limit otherwise. */
  use<A, E, R>(body: (opened: CheckedConnection) => Effect.Effect<A, E, R>): Effect.Effect<A, E | PoolClosed, R> {
    return this.#orClosed(
      Pool.use(this.#pool, body).pipe(
        // `hasIdle` was true, so no connection is made here.
        Effect.catchIf(isOpeningFailed, () => Effect.fail(new PoolClosed()))
      )
    )
  }

  /** Runs an effect on a taken connection and ends the connection if the effect was cut short. */
  lend<A, E>(
    opened: CheckedConnection,
    limitMillis: number,
    body: (connection: PgConnection) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> {
    const lease = this.lease(opened, limitMillis)
    return Effect.onExit(body(opened.connection), (exit) => lease.end(useEnd(exit)))
  }

  /** Records who has a connection. After `limitMillis` it is cut. */
  lease(opened: CheckedConnection, limitMillis: number): Lease {
    const since = performance.now()
    const use = { opened, since, until: since + limitMillis }
    this.#uses.add(use)
    return {
      end: (how) => {
        this.#uses.delete(use)
        this.#lastUsed = performance.now()
        if (how === "answered") this.#lastAnswer = this.#lastUsed
        return how === "spoiled" ? this.#discard(opened) : Effect.void
      }
    }
  }

  discard(connection: PgConnection): Effect.Effect<void> {
    for (const opened of this.#connections) {
      if (opened.connection === connection) return this.#discard(opened)
    }
    return Effect.void
  }

  /** Cuts the connections that somebody has had for longer than anybody may. */
  cutOverdue(now: number): void {
    for (const use of this.#uses) if (now > use.until) use.opened.destroy()
  }

  /** Ends every connection at once; whoever waits for an answer is told that the connection was lost. */
  cut(): void {
    this.#beginClose()
    this.#destroyAll()
  }

  /**
   * Closes the pool when what is under way has ended, or after a grace; returns when the sockets are closed, and in any
   * case soon after the grace: somebody who never gives a connection back must not keep the service from ending.
   */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const closing = this.#beginClose()
    return Effect.callback<void>((resume) => {
      const cut = setTimeout(() => this.#destroyAll(), CLOSE_GRACE_MILLIS)
      const giveUp = setTimeout(() => resume(Effect.void), CLOSE_GRACE_MILLIS + CUT_GRACE_MILLIS)
      closing.addObserver(() => {
        clearTimeout(cut)
        clearTimeout(giveUp)
        resume(this.#allClosed)
      })
    })
  })

  /** Takes no more users. In a fiber of its own, because it waits for those there are and will not be interrupted. */
  #beginClose(): Fiber.Fiber<void> {
    this.#closed = true
    return Effect.runFork(Scope.close(this.#scope, Exit.void))
  }

  #destroyAll(): void {
    for (const opened of this.#sockets) opened.destroy()
  }

  get #allClosed(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const done = () => {
        if (this.#sockets.size === 0) resume(Effect.void)
      }
      // Each has left the set by then, for that listener was there before.
      for (const opened of this.#sockets) opened.onClosed(done)
      done()
    })
  }

  #discard(opened: CheckedConnection): Effect.Effect<void> {
    return Effect.andThen(
      Pool.invalidate(this.#pool, opened),
      Effect.sync(() => opened.destroy())
    )
  }

  /** The pool interrupts those who wait when it closes: for them, and nobody else, that is no interruption. */
  #orClosed<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | PoolClosed, R> {
    return Effect.catchCause(
      effect,
      (cause): Effect.Effect<A, E | PoolClosed, R> =>
        this.#closed && Cause.hasInterruptsOnly(cause) ? Effect.fail(new PoolClosed()) : Effect.failCause(cause)
    )
  }
}

const isOpeningFailed = (error: unknown): error is OpeningFailed =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "OpeningFailed"
