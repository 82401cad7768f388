import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

/** Where the answers of one HTTP request go, in the order in which they come. */
export interface Exchange {
  /** One message of the protocol, as text. Waits while the caller does not read. */
  write(message: string): Effect.Effect<void>
  /** The last message has been written. */
  end(): void
}

/** Gathers the answers to one JSON array, which is sent when all are there. */
export class JsonExchange implements Exchange {
  #text = "["
  readonly #done: (body: string) => void

  constructor(done: (body: string) => void) {
    this.#done = done
  }

  write(message: string): Effect.Effect<void> {
    this.#text += this.#text === "[" ? message : `,${message}`
    return Effect.void
  }

  end(): void {
    this.#done(`${this.#text}]`)
  }
}

/** Gathers the answers to lines, which are sent when all are there. */
export class LinesExchange implements Exchange {
  #text = ""
  readonly #done: (body: string) => void

  constructor(done: (body: string) => void) {
    this.#done = done
  }

  write(message: string): Effect.Effect<void> {
    this.#text += `${message}\n`
    return Effect.void
  }

  end(): void {
    this.#done(this.#text)
  }
}

/** Sends each answer as a line as soon as it is there. */
export class StreamExchange implements Exchange {
  readonly #queue: Queue.Queue<string, Cause.Done>

  constructor(queue: Queue.Queue<string, Cause.Done>) {
    this.#queue = queue
  }

  write(message: string): Effect.Effect<void> {
    return Effect.asVoid(Queue.offer(this.#queue, `${message}\n`))
  }

  end(): void {
    Queue.endUnsafe(this.#queue)
  }
}
