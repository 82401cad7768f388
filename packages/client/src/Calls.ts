import { makeUuidV7 } from "@credit/domain/Uuid"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CreditClientError } from "./CreditClientError.ts"
import type { ClientOptions, CommandOptions } from "./Options.ts"
import { hintOf, type RetryPolicy, retryPolicy, withRetries } from "./Retry.ts"
import type { Transport, TransportFailure } from "./Transport.ts"
import { type TraceParent, typedError, type WireAnswer, type WireCall, type WireExit, writeCall } from "./Wire.ts"

/** One call of an RPC. */
export interface Call {
  readonly tag: string
  readonly kind: "command" | "query"
  /** In wire form. */
  readonly payload: unknown
  readonly options: CommandOptions | undefined
  readonly parent?: TraceParent | undefined
}

/** Waits for the next part of a streamed answer; the last one is the exit. */
export type NextPart = Effect.Effect<WireAnswer, CreditClientError>

/** Makes calls of the contract: gives commands their key, sends again what may be sent again. */
export interface Calls {
  /** Makes a call and waits for its end, typed errors included, in wire form. */
  readonly call: (call: Call) => Effect.Effect<WireExit, CreditClientError>
  /** Makes a call with a streamed answer. Once the first part has come, nothing is sent again. */
  readonly open: (call: Call) => Effect.Effect<NextPart, CreditClientError, Scope.Scope>
  /** A new idempotency key. */
  readonly newKey: Effect.Effect<string>
}

/** A call that is about to be sent, as often as it takes: every attempt sends the same text. */
interface Outgoing {
  readonly tag: string
  readonly wire: WireCall
  readonly idempotencyKey: string | undefined
  readonly timeoutMillis: number
  /** `undefined`: one attempt only. */
  readonly policy: RetryPolicy | undefined
}

export const makeCalls = (
  transport: Transport,
  settings: Pick<ClientOptions, "merchantId" | "timeout" | "retry">
): Calls => {
  const newId = makeUuidV7()
  const newKey = Effect.map(Clock.currentTimeMillis, newId)

  const prepare = (call: Call, idempotencyKey: string | undefined): Outgoing => {
    const options = call.options ?? {}
    const retry = options.retry ?? settings.retry
    return {
      tag: call.tag,
      idempotencyKey,
      timeoutMillis: Duration.toMillis(options.timeout ?? settings.timeout ?? "10 seconds"),
      policy: retry === false ? undefined : retryPolicy(retry),
      wire: writeCall({
        tag: call.tag,
        payload: call.payload,
        headers: [
          ...header("idempotency-key", idempotencyKey),
          ...header("dry-run", options.dryRun === true ? "true" : undefined),
          ...header("x-merchant-id", options.merchantId ?? settings.merchantId)
        ],
        parent: call.parent
      })
    }
  }

  const outgoing = (call: Call): Effect.Effect<Outgoing> => {
    if (call.kind === "query") return Effect.sync(() => prepare(call, undefined))
    const given = call.options?.idempotencyKey
    return Effect.map(given === undefined ? newKey : Effect.succeed(given), (key) => prepare(call, key))
  }

  return {
    call: (call) =>
      Effect.flatMap(outgoing(call), (out) =>
        attempts(
          out,
          (timeoutMillis) => transport.send(out.wire, timeoutMillis),
          (exit) => exit
        )
      ),
    open: (call) => Effect.flatMap(outgoing(call), (out) => open(transport, out)),
    newKey
  }
}

const header = (name: string, value: string | undefined): ReadonlyArray<readonly [string, string]> =>
  value === undefined ? [] : [[name, value]]

/** Sends until there is an outcome to keep. `exitOf` reads the call's end from an answer that has it. */
const attempts = <A, R>(
  out: Outgoing,
  send: (timeoutMillis: number) => Effect.Effect<A, TransportFailure, R>,
  exitOf: (answer: A) => WireExit | undefined
): Effect.Effect<A, CreditClientError, R> => {
  const { policy, timeoutMillis } = out
  if (policy === undefined) {
    return Effect.mapError(send(timeoutMillis), (failure) => clientError(out, 1, failure))
  }
  let sent = 0
  let last: Effect.Effect<A, TransportFailure> | undefined
  return withRetries(
    policy,
    (number, leftMillis) => {
      sent = number
      const before = last
      return send(Math.min(timeoutMillis, leftMillis)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            last = exit
          })
        ),
        // An attempt that the end of our own patience cut short says less than the outcome before it.
        Effect.catchIf(
          (failure) => failure.reason === "timeout" && leftMillis < timeoutMillis && before !== undefined,
          (failure) => before ?? Effect.fail(failure)
        )
      )
    },
    {
      onSuccess: (answer) => {
        const exit = exitOf(answer)
        return exit === undefined ? undefined : hintOf(typedError(exit), policy)
      },
      onFailure: (failure) => (failure.passing ? { afterMillis: (failure.retryAfterSeconds ?? 0) * 1000 } : undefined)
    }
  ).pipe(Effect.mapError((failure) => clientError(out, sent, failure)))
}

const open = (transport: Transport, out: Outgoing): Effect.Effect<NextPart, CreditClientError, Scope.Scope> =>
  attempts(
    out,
    (timeoutMillis) =>
      Effect.flatMap(transport.open(out.wire), (answers) =>
        Effect.map(answers.next(timeoutMillis), (first) => ({ first, answers }))
      ),
    ({ first }) => (first._tag === "Exit" ? first.exit : undefined)
  ).pipe(
    Effect.map(({ answers, first }) => {
      let unread: WireAnswer | undefined = first
      const next = Effect.mapError(answers.next(out.timeoutMillis), (failure) => clientError(out, 1, failure))
      return Effect.suspend(() => {
        const part = unread
        unread = undefined
        return part === undefined ? next : Effect.succeed(part)
      })
    })
  )

const clientError = (out: Outgoing, attempts: number, failure: TransportFailure): CreditClientError =>
  new CreditClientError({
    reason: failure.reason,
    rpc: out.tag,
    attempts,
    message: `${out.tag}: ${failure.detail}${attempts > 1 ? ` (after ${attempts} attempts)` : ""}`,
    ...(failure.status === undefined ? {} : { status: failure.status }),
    ...(out.idempotencyKey === undefined ? {} : { idempotencyKey: out.idempotencyKey })
  })
