import { encodeFailure } from "@credit/domain/decide"
import type { InvalidRequest } from "@credit/domain/Refusal"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Headers } from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type FromServer, RequestId } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EncodedExit } from "../commands/Submission.ts"
import { type ServedRpc, serveContract } from "./Contract.ts"
import type { Exchange } from "./Exchange.ts"
import type { CallMessage } from "./RequestBody.ts"

/** A call that waits for its answer. */
interface PendingCall {
  /** The caller's own id, as JSON. */
  readonly id: string
  readonly rpc: ServedRpc
  readonly round: Round
  /** What runs it; a stream is run by the RPC server. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** The calls of one HTTP request. */
export class Round {
  readonly exchange: Exchange
  /** Calls under way, by their internal numbers. */
  readonly pending = new Set<number>()
  #unanswered: number

  constructor(exchange: Exchange, calls: number) {
    this.exchange = exchange
    this.#unanswered = calls
  }

  /** Writes the last message of a call, and ends the exchange when it was the last call's. `id` is JSON. */
  answer(id: string, exit: string): Effect.Effect<void> {
    const written = this.exchange.write(`{"_tag":"Exit","requestId":${id},"exit":${exit}}`)
    const answered = () => {
      this.#unanswered -= 1
      if (this.#unanswered === 0) this.exchange.end()
    }
    if (written !== Effect.void) return Effect.map(written, answered)
    answered()
    return Effect.void
  }
}

export interface RpcCalls {
  /** How many calls are in work. */
  readonly inFlight: () => number
  /** Starts a call whose answers go to the round's exchange, and counts it as pending there. */
  readonly start: (call: CallMessage, headers: Headers, round: Round) => Effect.Effect<void>
  /** Writes an answer that needs no handler. */
  readonly refuse: (call: Pick<CallMessage, "id">, error: WireError, round: Round) => Effect.Effect<void>
  /** Answers the queries that are still pending `ServiceUnavailable` and interrupts them. Commands have a deadline of their own. */
  readonly expire: (round: Round) => Effect.Effect<void>
  /** The caller has left: its queries are interrupted, its commands run on, nobody is answered. */
  readonly abandon: (round: Round) => Effect.Effect<void>
  readonly find: (tag: string) => ServedRpc | undefined
}

/** An error in wire form. */
export type WireError = { readonly _tag: string; readonly [field: string]: unknown }

export const wireInvalid = ({ _tag, field, message }: InvalidRequest): WireError => ({ _tag, field, message })

/** All calls run as requests of this one client of the RPC server; each is known by a number of its own. */
const CLIENT = 0

/**
 * Runs the calls of an RPC group and turns what becomes of them into protocol messages. Built on `effect/rpc`'s server, so
 * handlers and middleware are ordinary ones; payloads are decoded after the middleware has let a call through.
 */
export const makeRpcCalls = Effect.fnUntraced(function* <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>) {
  const contract = yield* serveContract(group)
  const context = decodingHandlers(yield* Effect.context<Rpc.ToHandler<Rpcs> | Rpc.Middleware<Rpcs>>(), contract)
  const calls = new Map<number, PendingCall>()
  let last = 0

  const server = yield* RpcServer.makeNoSerialization(group, {
    onFromServer: (response) => onFromServer(response),
    // Spans are the edge's and the engine's to make.
    disableTracing: true,
    disableClientAcks: true,
    disableFatalDefects: true
  }).pipe(Effect.provideContext(context))

  /** Runs in the context the handlers were built in, always the same one, which the server has merged once and for all. */
  const base = context as Context.Context<never>
  const write = (message: Parameters<typeof server.write>[1]): Effect.Effect<void> =>
    Effect.updateContext(server.write(CLIENT, message), (_: Context.Context<never>) => base)

  const settle = (internal: number, call: PendingCall, text: string): Effect.Effect<void> => {
    calls.delete(internal)
    call.round.pending.delete(internal)
    return call.round.answer(call.id, text)
  }

  const onFromServer = (response: FromServer<Rpcs>): Effect.Effect<void> => {
    switch (response._tag) {
      case "Exit": {
        const internal = Number(response.requestId)
        const call = calls.get(internal)
        if (call === undefined) return Effect.void
        const { exit } = response
        if (Exit.isSuccess(exit) && exit.value instanceof EncodedExit) return settle(internal, call, exit.value.json)
        return Effect.flatMap(encodeExit(call.rpc, exit), (text) => settle(internal, call, text))
      }
      case "Chunk": {
        const call = calls.get(Number(response.requestId))
        if (call === undefined) return Effect.void
        const encoded = call.rpc.encodeChunk(response.values)
        // A chunk that cannot be encoded ends its call as a defect.
        return Exit.isSuccess(encoded)
          ? call.round.exchange.write(`{"_tag":"Chunk","requestId":${call.id},"values":${encoded.value}}`)
          : Effect.die(encoded.cause)
      }
      case "Defect":
        return Effect.logError("The RPC server failed", response.defect)
      case "ClientEnd":
        return Effect.void
    }
  }

  const runners = new Map<ServedRpc, Runner>()
  for (const rpc of contract.values()) if (!rpc.streams) runners.set(rpc, makeRunner(rpc, base))
  yield* Effect.addFinalizer(() =>
    Fiber.interruptAll([...calls.values()].flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber])))
  )

  /** Runs a call that has one answer, in a fiber of its own. */
  const run = (internal: number, call: PendingCall, runner: Runner, message: CallMessage, headers: Headers): void => {
    const fiber = runner(RequestId(internal), message.payload, headers)
    call.fiber = fiber
    fiber.addObserver((exit) => {
      if (calls.get(internal) !== call) return
      const answered =
        Exit.isSuccess(exit) && exit.value instanceof EncodedExit
          ? settle(internal, call, exit.value.json)
          : Effect.flatMap(encodeExit(call.rpc, exit), (text) => settle(internal, call, text))
      if (answered !== Effect.void) Effect.runForkWith(base)(answered)
    })
  }

  const interrupt = (internal: number, { fiber }: PendingCall) =>
    fiber !== undefined
      ? Effect.sync(() => fiber.interruptUnsafe())
      : write({ _tag: "Interrupt", requestId: RequestId(internal), interruptors: [] })

  /** Takes calls out of a round: queries are interrupted, commands run on unseen. */
  const drop = (
    round: Round,
    drops: (call: PendingCall) => boolean,
    then: (call: PendingCall) => Effect.Effect<void>
  ) =>
    Effect.suspend(() =>
      Effect.forEach(
        [...round.pending],
        (internal) => {
          const call = calls.get(internal)
          if (call === undefined || !drops(call)) return Effect.void
          calls.delete(internal)
          round.pending.delete(internal)
          return call.rpc.kind === "query" ? Effect.andThen(interrupt(internal, call), then(call)) : then(call)
        },
        { discard: true }
      )
    )

  const unavailable = encodeFailure({ _tag: "ServiceUnavailable", retryAfterSeconds: 1 } satisfies WireError)

  const result: RpcCalls = {
    inFlight: () => calls.size,
    find: (tag) => contract.get(tag),
    start: (message, headers, round) => {
      const rpc = contract.get(message.tag)
      if (rpc === undefined) return Effect.die(new Error("a call was started whose RPC is unknown"))
      last += 1
      const internal = last
      const call: PendingCall = { id: JSON.stringify(message.id), rpc, round, fiber: undefined }
      calls.set(internal, call)
      round.pending.add(internal)
      const runner = runners.get(rpc)
      return runner === undefined
        ? write(requestMessage<Rpcs>(internal, message, headers))
        : Effect.sync(() => run(internal, call, runner, message, headers))
    },
    refuse: (call, error, round) => round.answer(JSON.stringify(call.id), encodeFailure(error)),
    expire: (round) =>
      drop(
        round,
        ({ rpc }) => rpc.kind === "query" && !rpc.streams,
        ({ id }) => round.answer(id, unavailable)
      ),
    abandon: (round) =>
      drop(
        round,
        () => true,
        () => Effect.void
      )
  }
  return result
})

/** Runs one call of an RPC: its handler within its middleware. */
type Runner = (requestId: RequestId, payload: unknown, headers: Headers) => Fiber.Fiber<unknown, unknown>

/**
 * What the RPC server does for a call that has one answer, without what it does for streams, acknowledgements and
 * notifications, which is most of what it costs: the handler, the middleware around it, and a scope that ends with the call.
 */
const makeRunner = (rpc: ServedRpc, base: Context.Context<never>): Runner => {
  const entry: unknown = base.mapUnsafe.get(rpc.key)
  const { definition } = rpc
  const client = new Rpc.ServerClient(CLIENT)
  if (!isHandler(entry)) {
    return () => Effect.runForkWith(base)(Effect.die(new Error(`${rpc.tag} has no handler`)))
  }
  const context = Context.merge(entry.context, base)
  const middlewares = Array.from(definition.middlewares, ({ key }) => base.mapUnsafe.get(key)).filter(isMiddleware)
  return (requestId, payload, headers) => {
    const options = { rpc: definition, client, requestId, headers, payload }
    const scope = Scope.makeUnsafe()
    const handler = Effect.suspend(() => {
      const result = entry.handler(payload, options)
      return isEffect(result) ? result : Effect.die(new Error(`${rpc.tag} must answer with an effect`))
    })
    const handled = middlewares.reduce((inner, middleware) => middleware(inner, options), handler)
    return Effect.runForkWith(Context.add(context, Scope.Scope, scope))(
      Effect.onExit(handled, (exit) => Scope.closeUnsafe(scope, exit) ?? Effect.void)
    )
  }
}

/** Payload and tag were checked against the contract, or are checked by the handler before it uses them. */
const requestMessage = <Rpcs extends Rpc.Any>(internal: number, call: CallMessage, headers: Headers) =>
  ({
    _tag: "Request",
    id: RequestId(internal),
    tag: call.tag as Rpc.Tag<Rpcs>,
    payload: call.payload as Rpc.Payload<Rpcs>,
    headers
  }) as const

/**
 * The wire text of what a handler ended with. A defect is logged with an id, and the caller gets that id and nothing else.
 * An interruption is the service's own (it shuts down), for a caller that left is not answered.
 */
const encodeExit = (rpc: ServedRpc, exit: Exit.Exit<unknown, unknown>): Effect.Effect<string> => {
  if (Exit.isFailure(exit) && !Cause.hasFails(exit.cause)) {
    if (Cause.hasInterruptsOnly(exit.cause)) {
      return Effect.succeed(encodeFailure({ _tag: "ServiceUnavailable", retryAfterSeconds: 1 } satisfies WireError))
    }
    return internalError(rpc, exit.cause)
  }
  const encoded = rpc.encodeExit(exit)
  return Exit.isSuccess(encoded) ? Effect.succeed(encoded.value) : internalError(rpc, encoded.cause)
}

const internalError = (rpc: ServedRpc, cause: Cause.Cause<unknown>): Effect.Effect<string> =>
  Effect.suspend(() => {
    const correlationId = crypto.randomUUID()
    return Effect.logError("A call died", cause).pipe(
      Effect.annotateLogs({ correlation_id: correlationId, rpc: rpc.tag }),
      Effect.as(encodeFailure({ _tag: "InternalError", correlationId } satisfies WireError))
    )
  })

/**
 * The handlers of a context, with the payload decoded first. The server runs middleware around this, so who may not call is
 * told so before anything is said about the payload, and costs no decoding.
 */
const decodingHandlers = <R>(
  context: Context.Context<R>,
  contract: ReadonlyMap<string, ServedRpc>
): Context.Context<R> => {
  const entries = new Map(context.mapUnsafe)
  for (const rpc of contract.values()) {
    const entry: unknown = entries.get(rpc.key)
    if (isHandler(entry)) entries.set(rpc.key, { ...entry, handler: decoding(entry.handler, rpc) })
  }
  return Context.makeUnsafe<R>(entries)
}

type HandlerOptions = Parameters<Rpc.Handler<string>["handler"]>[1]
type Handler = (payload: unknown, options: HandlerOptions) => unknown

/** Middleware as it runs, when all it provides is provided. */
type Middleware = (handler: Effect.Effect<unknown, unknown>, options: HandlerOptions) => Effect.Effect<unknown, unknown>

const isMiddleware = (service: unknown): service is Middleware => typeof service === "function"

const isHandler = (entry: unknown): entry is { readonly handler: Handler; readonly context: Context.Context<never> } =>
  typeof entry === "object" && entry !== null && "handler" in entry && typeof entry.handler === "function"

const decoding =
  (handler: Handler, rpc: ServedRpc): Handler =>
  (payload, options) => {
    if (rpc.streams) {
      return Stream.unwrap(
        Effect.map(
          Effect.suspend(() => rpc.decodePayload(payload)),
          (decoded) => {
            const result = handler(decoded, options)
            return isStream(result) ? result : Stream.die(new Error(`${rpc.tag} must answer with a stream`))
          }
        )
      )
    }
    return Effect.suspend(() => {
      const decoded = rpc.decodePayload(payload)
      if (Exit.isFailure(decoded)) return decoded
      const result = handler(decoded.value, options)
      return isEffect(result) ? result : Effect.die(new Error(`${rpc.tag} must answer with an effect`))
    })
  }

const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)
const isStream = (value: unknown): value is Stream.Stream<unknown, unknown> => Stream.isStream(value)
