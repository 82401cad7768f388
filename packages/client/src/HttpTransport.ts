import * as Effect from "effect/Effect"
import { type CoalesceOptions, Coalescer } from "./Coalescer.ts"
import { HttpExchange, type HttpOptions } from "./HttpExchange.ts"
import { timeoutFailure } from "./HttpFailure.ts"
import { type Answers, type Transport, TransportFailure } from "./Transport.ts"
import type { WireAnswer, WireCall, WireExit } from "./Wire.ts"

/** Parts of a streamed answer that may wait to be read before the connection is told to pause. */
const READ_AHEAD = 16

/** Starts one call; `done` hears of its end, once. Returns what gives the call up. */
export type Start = (call: WireCall, done: (end: WireExit | TransportFailure) => void) => () => void

/**
 * Calls over HTTP: each in a request of its own or, with `coalesce`, those that wait at the same time in one. Throws a
 * `TypeError` for a base URL that is none.
 */
export const makeHttpTransport = (
  options: HttpOptions & { readonly coalesce?: CoalesceOptions | undefined }
): Transport => {
  const exchange = new HttpExchange(options)
  const alone = startAlone(exchange)
  const start = options.coalesce === undefined ? alone : new Coalescer(exchange, alone, options.coalesce).start
  return {
    send: (call, timeoutMillis) => send(exchange, start, call, timeoutMillis),
    open: (call) =>
      Effect.acquireRelease(
        Effect.sync(() => new HttpAnswers(exchange, call)),
        (answers) => Effect.sync(() => answers.close())
      ),
    close: () => exchange.close()
  }
}

const startAlone =
  (exchange: HttpExchange): Start =>
  (call, done) => {
    const request = exchange.post(
      { text: call.text, contentType: "application/json", soleCall: call.id },
      {
        answer: (answer) => {
          if (answer._tag === "Exit" && answer.requestId === call.id) done(answer.exit)
        },
        end: done
      }
    )
    return () => request.abort()
  }

const send = (
  exchange: HttpExchange,
  start: Start,
  call: WireCall,
  timeoutMillis: number
): Effect.Effect<WireExit, TransportFailure> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => {
      giveUp()
      resume(Effect.fail(timeoutFailure(exchange.origin, timeoutMillis)))
    }, timeoutMillis)
    const giveUp = start(call, (end) => {
      clearTimeout(timer)
      resume(end instanceof TransportFailure ? Effect.fail(end) : Effect.succeed(end))
    })
    return Effect.sync(() => {
      clearTimeout(timer)
      giveUp()
    })
  })

/** The answers to one call, read one by one; the connection pauses while they are not. */
class HttpAnswers implements Answers {
  private readonly origin: string
  private readonly request: ReturnType<HttpExchange["post"]>
  private readonly waiting: Array<WireAnswer | TransportFailure> = []
  private wake: () => void = () => {}

  constructor(exchange: HttpExchange, call: WireCall) {
    this.origin = exchange.origin
    this.request = exchange.post(
      { text: call.text, contentType: "application/x-ndjson", soleCall: call.id },
      {
        answer: (answer) => {
          if (answer.requestId === call.id) this.take(answer)
        },
        end: (failure) => this.take(failure)
      }
    )
  }

  next(timeoutMillis: number): Effect.Effect<WireAnswer, TransportFailure> {
    return Effect.callback<void, TransportFailure>((resume) => {
      if (this.waiting.length > 0) return resume(Effect.void)
      const timer = setTimeout(() => {
        this.close()
        resume(Effect.fail(timeoutFailure(this.origin, timeoutMillis)))
      }, timeoutMillis)
      this.wake = () => {
        clearTimeout(timer)
        resume(Effect.void)
      }
      this.request.resume()
      return Effect.sync(() => clearTimeout(timer))
    }).pipe(
      Effect.flatMap(() => {
        const [first] = this.waiting
        if (first instanceof TransportFailure) return Effect.fail(first)
        this.waiting.shift()
        return first === undefined ? Effect.die("woken without an answer") : Effect.succeed(first)
      })
    )
  }

  close(): void {
    this.request.abort()
  }

  private take(next: WireAnswer | TransportFailure): void {
    this.waiting.push(next)
    if (this.waiting.length === READ_AHEAD) this.request.pause()
    this.wake()
  }
}
