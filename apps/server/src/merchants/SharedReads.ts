import type { ServiceUnavailable } from "@credit/rpc/Errors"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"

/** So many statements are under way at once: while one is answered, the next is asked. */
const AT_ONCE = 2
/** So many keys one statement asks for at most. */
const MOST_KEYS = 100

/** Somebody who waits for what a key reads. */
interface Waiter<A> {
  readonly key: string
  readonly resume: (result: Effect.Effect<A, ServiceUnavailable>) => void
  /** The statement it is part of, once that is sent. */
  flight: Flight<A> | undefined
}

interface Flight<A> {
  readonly waiters: Set<Waiter<A>>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/**
 * Reads by key, of which those that wait together go to the database as one statement. Nobody waits for company: a read that
 * comes alone goes alone, and while as many are under way as may be, the next gather. Nothing is kept: a statement begins
 * after everyone it answers has asked.
 */
export class SharedReads<A> {
  readonly #read: (keys: ReadonlyArray<string>) => Effect.Effect<(key: string) => A, ServiceUnavailable>
  #waiting: Array<Waiter<A>> = []
  #underWay = 0
  #scheduled = false

  /** `read` asks for many keys, each once, and answers what each of them reads. */
  constructor(read: (keys: ReadonlyArray<string>) => Effect.Effect<(key: string) => A, ServiceUnavailable>) {
    this.#read = read
  }

  /** What a key reads now. Whoever leaves, leaves the others; a statement that nobody waits for any more is ended. */
  get(key: string): Effect.Effect<A, ServiceUnavailable> {
    return Effect.withFiber((fiber) =>
      Effect.callback<A, ServiceUnavailable>((resume) => {
        const waiter: Waiter<A> = { key, resume, flight: undefined }
        this.#waiting.push(waiter)
        this.#schedule(fiber.context)
        return Effect.sync(() => this.#leave(waiter))
      })
    )
  }

  /** Reads that have already arrived, but are not yet decoded, come along. */
  #schedule(context: Context.Context<never>): void {
    if (this.#scheduled || this.#underWay >= AT_ONCE) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      while (this.#underWay < AT_ONCE && this.#waiting.length > 0) this.#send(context)
    })
  }

  #send(context: Context.Context<never>): void {
    const flight: Flight<A> = { waiters: new Set(this.#waiting.splice(0, MOST_KEYS)), fiber: undefined }
    const keys = new Set<string>()
    for (const waiter of flight.waiters) {
      waiter.flight = flight
      keys.add(waiter.key)
    }
    this.#underWay += 1
    const fiber = Effect.runForkWith(context)(this.#read([...keys]))
    flight.fiber = fiber
    fiber.addObserver((exit) => {
      this.#underWay -= 1
      for (const { key, resume } of flight.waiters) resume(Exit.map(exit, (read) => read(key)))
      if (this.#waiting.length > 0) this.#schedule(context)
    })
  }

  #leave(waiter: Waiter<A>): void {
    const { flight } = waiter
    if (flight === undefined) {
      this.#waiting = this.#waiting.filter((it) => it !== waiter)
      return
    }
    flight.waiters.delete(waiter)
    if (flight.waiters.size === 0) flight.fiber?.interruptUnsafe()
  }
}
