import type { Command } from "@credit/domain/decide"
import * as Effect from "effect/Effect"
import { Recent } from "./Recent.ts"
import { type Ending, type RunnerOptions, runToEnd } from "./Runner.ts"
import { type EncodedExit, failed, isExclusive, mayBegin, namedOperation, namedUser } from "./Submission.ts"

/** A command that waits for its answer. */
interface Waiting {
  readonly command: Command
  readonly answer: (exit: EncodedExit) => void
  /** The user it is about, as far as is known before it is loaded. While it is under way, that user is occupied. */
  readonly user: string | undefined
}

export interface WorkerOptions extends RunnerOptions {
  /** The most commands of one batch. */
  readonly batchSize: number
  /** The most commands that may wait; one more is refused. */
  readonly queueBound: number
  /** The most batches under way at once. */
  readonly batchesInFlight: number
  /** Starts a batch that nobody interrupts. */
  readonly fork: (batch: Effect.Effect<void>) => void
}

/**
 * The queue of one merchant. Whenever there is room it takes every command that waits (up to a limit, at once, no timer)
 * and runs them as one batch; batches under way at the same time are about different users.
 *
 * Commands whose account somebody else holds (another server, a job) go to a second lane that waits for it, so that they
 * do not hold up the rest.
 */
export class Worker {
  readonly #options: WorkerOptions
  #waiting: Array<Waiting> = []
  #slow: Array<Waiting> = []
  /** Users of batches under way and of the slow lane: their next commands wait, so that a user's order is kept. */
  readonly #occupied = new Map<string, number>()
  #inFlight = 0
  #slowInFlight = false
  #pumping = false
  readonly #whenIdle: Array<() => void> = []
  /** Users whose account is known to exist, and whose an operation is: saves a write, or a wait. Never decides. */
  readonly #known = new Recent<string, true>(50_000)
  readonly #operations = new Recent<string, string>(50_000)

  constructor(options: WorkerOptions) {
    this.#options = options
  }

  /** Runs a command to its end, also if the caller leaves. */
  submit(command: Command): Effect.Effect<EncodedExit> {
    return Effect.callback<EncodedExit>((resume) => {
      const answer = (exit: EncodedExit) => resume(Effect.succeed(exit))
      if (this.#waiting.length + this.#slow.length >= this.#options.queueBound) {
        return answer(failed(command, { _tag: "RateLimited", retryAfterSeconds: 1 }))
      }
      const operation = namedOperation(command)
      const user = namedUser(command) ?? (operation === undefined ? undefined : this.#operations.get(operation))
      this.#waiting.push({ command, answer, user })
      this.#schedule()
    })
  }

  /** How many commands wait. */
  get queueDepth(): number {
    return this.#waiting.length + this.#slow.length
  }

  /** Ends when nothing waits and nothing is under way. */
  readonly idle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    if (this.#isIdle()) return done()
    this.#whenIdle.push(done)
  })

  #isIdle(): boolean {
    return this.#inFlight === 0 && !this.#slowInFlight && this.queueDepth === 0 && !this.#pumping
  }

  /** Pumps once the requests that have already arrived are read: they make one batch, and nobody waits for a timer. */
  #schedule(): void {
    if (this.#pumping) return
    this.#pumping = true
    setImmediate(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#inFlight < this.#options.batchesInFlight && this.#waiting.length > 0) {
      const batch = this.#take()
      if (batch.length === 0) break
      this.#inFlight++
      this.#start(batch, "skip", () => {
        this.#inFlight--
      })
    }
    if (!this.#slowInFlight && this.#slow.length > 0) {
      const batch = this.#slow.splice(0, this.#options.batchSize)
      this.#slowInFlight = true
      this.#start(batch, "wait", () => {
        this.#slowInFlight = false
      })
    }
    if (this.#isIdle()) for (const done of this.#whenIdle.splice(0)) done()
  }

  /** The commands of the next batch: in order, none whose user is occupied, an exclusive one alone. */
  #take(): ReadonlyArray<Waiting> {
    const batch: Array<Waiting> = []
    const rest: Array<Waiting> = []
    let full = false
    for (const waiting of this.#waiting) {
      if (full || (waiting.user !== undefined && this.#occupied.has(waiting.user))) {
        rest.push(waiting)
        continue
      }
      const exclusive = isExclusive(waiting.command)
      if (exclusive && batch.length > 0) {
        rest.push(waiting)
        full = true
        continue
      }
      batch.push(waiting)
      full = exclusive || batch.length >= this.#options.batchSize
    }
    this.#waiting = rest
    for (const { user } of batch) this.#occupy(user)
    return batch
  }

  #occupy(user: string | undefined): void {
    if (user !== undefined) this.#occupied.set(user, (this.#occupied.get(user) ?? 0) + 1)
  }

  #release(user: string | undefined): void {
    if (user === undefined) return
    const holders = this.#occupied.get(user) ?? 0
    if (holders > 1) this.#occupied.set(user, holders - 1)
    else this.#occupied.delete(user)
  }

  #start(batch: ReadonlyArray<Waiting>, busy: "skip" | "wait", ended: () => void): void {
    const commands = batch.map((it) => it.command)
    const maybeNew = new Set<string>()
    for (const command of commands) {
      const user = namedUser(command)
      // In the slow lane nothing is taken for granted: an account that is not there would be waited for without end.
      const known = busy === "skip" && user !== undefined && this.#known.has(user)
      if (user !== undefined && mayBegin(command) && !known) maybeNew.add(user)
    }
    const fault = (cause: unknown) => {
      // The runner answers every failure; what escapes it is a bug, and still nobody may be left waiting.
      const correlationId = this.#options.newId(Date.now())
      return Effect.logError("A batch died", cause).pipe(
        Effect.annotateLogs({ correlationId }),
        Effect.as(
          commands.map(
            (command): Ending => ({
              _tag: "Answered",
              exit: failed(command, { _tag: "InternalError", correlationId }),
              user: undefined
            })
          )
        )
      )
    }
    this.#options.fork(
      runToEnd(commands, busy, [...maybeNew].sort(), this.#options).pipe(
        Effect.catchCause(fault),
        Effect.flatMap((endings) =>
          Effect.sync(() => {
            ended()
            this.#finish(batch, endings)
          })
        )
      )
    )
  }

  #finish(batch: ReadonlyArray<Waiting>, endings: ReadonlyArray<Ending>): void {
    for (const [index, waiting] of batch.entries()) {
      const ending = endings[index]
      if (ending === undefined) continue
      const user = ending.user ?? waiting.user
      const operation = namedOperation(waiting.command)
      if (operation !== undefined && user !== undefined) this.#operations.set(operation, user)
      if (ending._tag === "Answered") {
        if (ending.user !== undefined && mayBegin(waiting.command)) this.#known.set(ending.user, true)
        this.#release(waiting.user)
        waiting.answer(ending.exit)
      } else {
        // It stays under way, and keeps its user occupied.
        if (waiting.user === undefined) this.#occupy(user)
        this.#slow.push({ ...waiting, user })
      }
    }
    this.#schedule()
  }
}
