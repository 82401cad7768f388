import { createServer } from "node:http"
import { makeCalls } from "@credit/client/Calls"
import { CreditClientError } from "@credit/client/CreditClientError"
import { Door } from "@credit/client/Door"
import { effectMethods } from "@credit/client/EffectMethods"
import { makeHttpTransport } from "@credit/client/HttpTransport"
import { promiseMethods } from "@credit/client/PromiseMethods"
import { IntentConflict, InvalidRequest } from "@credit/domain/Refusal"
import { Timestamp } from "@credit/domain/Timestamp"
import { Kind } from "@credit/rpc"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { FakeService, failure, type Reaction, type ReceivedCall } from "./support/FakeService.ts"
import { quick, TOKEN } from "./support/run.ts"

const Row = Schema.Struct({ row: Schema.Int, at: Timestamp })
const at = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")

/** A contract with what the client must be able to do beyond the contract of today. */
class Wider extends RpcGroup.make(
  Rpc.make("Greeting", { success: Schema.String, error: InvalidRequest }).annotate(Kind, "query"),
  Rpc.make("ExportRows", {
    payload: Schema.Struct({ rows: Schema.Int }),
    success: Row,
    error: InvalidRequest,
    stream: true
  }).annotate(Kind, "query"),
  Rpc.make("Repair.Run", {
    payload: Schema.Struct({ rows: Schema.Int }),
    success: Row,
    error: Schema.Union([InvalidRequest, IntentConflict]),
    stream: true
  }).annotate(Kind, "command")
) {}

const rows = (count: number) => Stream.map(Stream.range(1, count), (row) => ({ row, at }))

/** What the handlers have seen of their callers. */
const seen = { keys: [] as (string | undefined)[], ended: 0, read: 0 }

const Handlers = Wider.toLayer({
  Greeting: () => Effect.succeed("hello"),
  ExportRows: ({ rows: count }) =>
    count < 0
      ? Stream.fail(new InvalidRequest({ field: "rows", message: "Too few" }))
      : rows(count).pipe(
          Stream.rechunk(100),
          Stream.tap(() => Effect.sync(() => (seen.read += 1))),
          Stream.ensuring(Effect.sync(() => (seen.ended += 1)))
        ),
  "Repair.Run": ({ rows: count }, { headers }) => {
    seen.keys.push(headers["idempotency-key"])
    return rows(count)
  }
})

/** Effect's own RPC server, over HTTP with lines of JSON. */
const Served = HttpRouter.serve(
  RpcServer.layerHttp({ group: Wider, path: "/rpc", protocol: "http" }).pipe(
    Layer.provide([Handlers, RpcSerialization.layerNdjson])
  ),
  { disableLogger: true, disableListenLog: true }
).pipe(Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })))

const clients = (baseUrl: string) =>
  Effect.acquireRelease(
    Effect.sync(() => makeHttpTransport({ baseUrl, token: TOKEN, connections: 4 })),
    (transport) => Effect.promise(() => transport.close())
  ).pipe(
    Effect.map((transport) => {
      const calls = makeCalls(transport, { retry: quick })
      return {
        client: effectMethods(Wider.requests, calls),
        promises: promiseMethods(Wider.requests, calls, new Door())
      }
    })
  )

const served = <A, E>(act: (all: Effect.Success<ReturnType<typeof clients>>) => Effect.Effect<A, E>): Promise<A> =>
  Effect.gen(function* () {
    const server = Context.get(yield* Layer.build(Served), HttpServer.HttpServer)
    const { address } = server
    if (address._tag !== "InetAddressV4") return yield* Effect.die("no port")
    return yield* Effect.flatMap(clients(`http://127.0.0.1:${address.port}`), act)
  }).pipe(Effect.scoped, Effect.runPromise)

/** Keeps the service busy until the stream's handler has not moved for a while. */
const untilStill = <E>(call: Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    for (let still = 0, last = -1; still < 30; still = seen.read === last ? still + 1 : 0) {
      last = seen.read
      yield* call
    }
  })

describe("With Effect's own RPC server", () => {
  it("an RPC without a payload is asked without one", async () => {
    const answer = await served(({ client }) => client.greeting())
    assert.strictEqual(answer, "hello")
  })

  it("a streamed answer is a stream of rich values", async () => {
    const answer = await served(({ client }) => Stream.runCollect(client.exportRows({ rows: 1_000 })))
    assert.lengthOf(answer, 1_000)
    assert.deepStrictEqual(answer[999], { row: 1_000, at })
  })

  it("a stream in promises is an async iterable of plain JSON, which may be left early", async () => {
    seen.ended = 0
    await served(({ promises }) =>
      Effect.promise(async () => {
        for await (const row of promises.exportRows({ rows: 3_000_000 })) {
          assert.deepStrictEqual(row, { row: 1, at: "2026-01-01T00:00:00.000Z" })
          break
        }
      })
    )
    assert.strictEqual(seen.ended, 1)
  })

  it("a stream in promises ends with the signal's reason when that is aborted", async () => {
    const controller = new AbortController()
    const reason = new Error("the reader left")
    const ended = await served(({ promises }) =>
      Effect.tryPromise({
        try: async () => {
          for await (const _ of promises.exportRows({ rows: 3_000_000 }, { signal: controller.signal })) {
            controller.abort(reason)
          }
        },
        catch: (error) => error
      }).pipe(Effect.flip)
    )
    assert.strictEqual(ended, reason)
  })

  it("a stream that fails does so with its typed error", async () => {
    const error = await served(({ client }) => Effect.flip(Stream.runDrain(client.exportRows({ rows: -1 }))))
    assert.instanceOf(error, InvalidRequest)
  })

  it("a stream is read no faster than its reader goes, and ends with it", async () => {
    seen.read = 0
    seen.ended = 0
    await served(({ client }) =>
      client.exportRows({ rows: 3_000_000 }).pipe(
        Stream.take(1),
        Stream.tap(() => untilStill(client.greeting())),
        Stream.runDrain
      )
    )
    assert.strictEqual(seen.ended, 1)
    assert.isBelow(seen.read, 1_000_000)
  })

  it("a streaming command carries a key", async () => {
    await served(({ client }) => Stream.runDrain(client.repair.run({ rows: 2 }, { idempotencyKey: "repair-1" })))
    assert.deepStrictEqual(seen.keys, ["repair-1"])
  })
})

describe("A streamed answer in trouble", () => {
  const chunk = { _tag: "Chunk", values: [{ row: 1, at: "2026-01-01T00:00:00.000Z" }] }
  const end = { _tag: "Exit", exit: { _tag: "Success" } }

  const scenario = (react: (call: ReceivedCall) => Reaction) =>
    Effect.gen(function* () {
      const service = yield* Effect.acquireRelease(
        Effect.promise(() => FakeService.start(react)),
        (service) => Effect.promise(() => service.stop())
      )
      const { client } = yield* clients(service.url)
      return { service, result: yield* Effect.result(Stream.runCollect(client.repair.run({ rows: 1 }))) }
    }).pipe(Effect.scoped, Effect.runPromise)

  it("is asked for again with the same key, as long as nothing of it has come", async () => {
    const troubles: ReadonlyArray<Reaction> = [
      { do: "reset" },
      { do: "http", status: 502 },
      failure({ _tag: "ServiceUnavailable", retryAfterSeconds: 0 })
    ]
    const { result, service } = await scenario(
      ({ attempt }) => troubles[attempt - 1] ?? { do: "stream", messages: [chunk, end], end: true }
    )
    assert.lengthOf(result._tag === "Success" ? result.success : [], 1)
    assert.lengthOf(service.calls, 4)
    assert.lengthOf(service.keysOf("Repair.Run"), 1)
  })

  it("that breaks off fails, and is not begun again", async () => {
    const { result, service } = await scenario(() => ({ do: "stream", messages: [chunk], end: true }))
    assert.isTrue(result._tag === "Failure" && result.failure instanceof CreditClientError)
    assert.lengthOf(service.calls, 1)
  })

  it("that is whole is whole", async () => {
    const { result } = await scenario(() => ({ do: "stream", messages: [chunk, chunk, end], end: true }))
    assert.lengthOf(result._tag === "Success" ? result.success : [], 2)
  })
})
