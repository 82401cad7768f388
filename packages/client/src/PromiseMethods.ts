import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Calls } from "./Calls.ts"
import { schemasOf } from "./Codec.ts"
import { type Abortable, type Methods, makeMethods, type Requests, type RpcDefinition } from "./Contract.ts"
import type { Door } from "./Door.ts"
import { jsonEffect, jsonStream } from "./JsonMethods.ts"
import type { CommandOptions } from "./Options.ts"

/** The methods of a contract in plain JSON, as promises and async iterables. */
export const promiseMethods = <R extends RpcDefinition>(
  requests: Requests<R>,
  calls: Calls,
  door: Door
): Methods<R, "promise"> =>
  makeMethods<R, "promise">(requests, (rpc) => {
    const schemas = schemasOf(rpc)
    if (schemas.streamed) {
      const method = jsonStream(schemas, calls)
      return (payload: unknown, options?: CommandOptions & Abortable) => {
        door.refuseIfClosed(rpc._tag)
        return Stream.toAsyncIterable(abortable(method(payload, options), options?.signal))
      }
    }
    const method = jsonEffect(schemas, calls)
    return (payload: unknown, options?: CommandOptions & Abortable) =>
      door.pass(rpc._tag, method(payload, options), options?.signal)
  })

/** Ends a stream with the signal's reason once that is aborted. */
const abortable = (stream: Stream.Stream<unknown, unknown>, signal: AbortSignal | undefined) =>
  signal === undefined
    ? stream
    : Stream.interruptWhen(
        stream,
        Effect.callback<never, unknown>((resume) => {
          const abort = () => resume(Effect.fail(signal.reason))
          if (signal.aborted) return abort()
          signal.addEventListener("abort", abort, { once: true })
          return Effect.sync(() => signal.removeEventListener("abort", abort))
        })
      )
