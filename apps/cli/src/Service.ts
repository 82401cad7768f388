import type { CommandOptions, CreditPromiseClient, QueryOptions } from "@credit/client"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Connection, type ConnectionFlags, requireToken, resolveConnection } from "./connection/Connection.ts"
import { newKey, type WriteFlags } from "./flags/Write.ts"
import { Output } from "./output/Output.ts"
import { CallFailed, type TokenMissing, UsageProblem } from "./Problem.ts"

/** What a call is given besides its payload; a signal ends it with the command line. */
type QueryCall<A> = (
  client: CreditPromiseClient,
  options: QueryOptions & { readonly signal: AbortSignal }
) => Promise<A>
type CommandCall<A> = (
  client: CreditPromiseClient,
  options: CommandOptions & { readonly signal: AbortSignal }
) => Promise<A>

/** What a command answered, and under which key: whoever sends it again with that key gets the same. */
export interface Written<A> {
  readonly answer: A
  readonly idempotencyKey: string
  readonly dryRun: boolean
}

type ConnectProblem = UsageProblem | TokenMissing

/** The service that the command line talks to. Nothing is read or connected before the first use. */
export class Service extends Context.Service<
  Service,
  {
    readonly connection: Effect.Effect<Connection, UsageProblem>
    readonly query: <A>(call: QueryCall<A>) => Effect.Effect<A, CallFailed | ConnectProblem>
    /** A query whose answer comes bit by bit. Given up, it ends at the service, too. */
    readonly stream: <A>(
      call: (client: CreditPromiseClient, options: QueryOptions) => AsyncIterable<A>
    ) => Stream.Stream<A, CallFailed | ConnectProblem>
    /** A command that tells how it goes while it runs, and in the end what it did. */
    readonly follow: <A>(
      write: WriteFlags,
      call: (client: CreditPromiseClient, options: CommandOptions) => AsyncIterable<A>,
      tell: (part: A, idempotencyKey: string) => Effect.Effect<void>
    ) => Effect.Effect<{ readonly idempotencyKey: string }, CallFailed | ConnectProblem>
    readonly command: <A>(
      write: WriteFlags,
      call: CommandCall<A>
    ) => Effect.Effect<Written<A>, CallFailed | ConnectProblem>
  }
>()("@credit/cli/Service") {
  static readonly layer = (
    flags: ConnectionFlags,
    environment: Readonly<Record<string, string | undefined>>
  ): Layer.Layer<Service, never, Output> => Layer.effect(Service, make(flags, environment))
}

const make = Effect.fnUntraced(function* (
  flags: ConnectionFlags,
  environment: Readonly<Record<string, string | undefined>>
): Effect.fn.Return<Service["Service"], never, Output | Scope.Scope> {
  const output = yield* Output
  const connection = yield* Effect.cached(
    Effect.tryPromise({
      try: () => resolveConnection(flags, environment),
      catch: (error) => error
    }).pipe(
      Effect.catch((error) => (error instanceof UsageProblem ? Effect.fail(error) : Effect.die(error))),
      Effect.tap(({ embedded, merchant, url }) =>
        embedded && output.watched
          ? output.note(
              output.paint.dim(`# ${url.value.origin}, merchant ${merchant?.value ?? "none"} (profile embedded)`)
            )
          : Effect.void
      )
    )
  )
  const scope = yield* Effect.scope
  const client = yield* Effect.cached(
    Effect.gen(function* () {
      const settings = yield* connection
      const token = yield* requireToken(settings)
      // The client is loaded last: help and mistakes in the command line are answered without it.
      const { makeCreditClient } = yield* Effect.promise(() => import("@credit/client/PromiseClient"))
      const { merchant, url, waitSeconds } = settings
      return yield* Effect.acquireRelease(
        Effect.sync(() =>
          makeCreditClient({
            baseUrl: url.value,
            token,
            retry: waitSeconds === 0 ? false : { total: `${waitSeconds} seconds` },
            ...(merchant === undefined ? {} : { merchantId: merchant.value })
          })
        ),
        (open) => Effect.promise(() => open.close())
      ).pipe(Effect.provideService(Scope.Scope, scope))
    })
  )
  const failure = ({ claims, merchant, url }: Connection, idempotencyKey: string | undefined) =>
    Effect.fnUntraced(function* (error: unknown) {
      const { isCreditError } = yield* Effect.promise(() => import("@credit/client/CreditError"))
      if (!isCreditError(error)) return yield* Effect.die(error)
      return yield* new CallFailed({
        error,
        role: claims?.role,
        merchant: merchant?.value,
        origin: url.value.origin,
        ...(idempotencyKey === undefined ? {} : { idempotencyKey })
      })
    })
  const send = <A>(call: (signal: AbortSignal, client: CreditPromiseClient) => Promise<A>, idempotencyKey?: string) =>
    Effect.gen(function* () {
      const settings = yield* connection
      const open = yield* client
      return yield* Effect.tryPromise({ try: (signal) => call(signal, open), catch: (error) => error }).pipe(
        Effect.catch(failure(settings, idempotencyKey))
      )
    })
  const parts = <A>(call: (client: CreditPromiseClient) => AsyncIterable<A>, idempotencyKey?: string) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const settings = yield* connection
        const open = yield* client
        return Stream.fromAsyncIterable(call(open), (error) => error).pipe(
          Stream.catch((error) => Stream.fromEffect(failure(settings, idempotencyKey)(error)))
        )
      })
    )
  const tellKeyWhenInterrupted = (key: string) =>
    Effect.onInterrupt(() =>
      output.note(`Interrupted: with --idempotency-key ${key} the same command tells what came of it`)
    )
  return Service.of({
    connection,
    query: (call) => send((signal, open) => call(open, { signal })),
    stream: (call) => parts((open) => call(open, {})),
    follow: ({ dryRun, idempotencyKey }, call, tell) =>
      Effect.gen(function* () {
        const key = idempotencyKey ?? (yield* newKey)
        yield* parts((open) => call(open, { idempotencyKey: key, dryRun }), key).pipe(
          Stream.runForEach((part) => tell(part, key)),
          tellKeyWhenInterrupted(key)
        )
        return { idempotencyKey: key }
      }),
    command: ({ dryRun, idempotencyKey }, call) =>
      Effect.gen(function* () {
        const key = idempotencyKey ?? (yield* newKey)
        const answer = yield* send((signal, open) => call(open, { signal, idempotencyKey: key, dryRun }), key).pipe(
          tellKeyWhenInterrupted(key)
        )
        return { answer, idempotencyKey: key, dryRun }
      })
  })
})
