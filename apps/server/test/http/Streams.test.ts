import { InvalidRequest } from "@credit/domain/Refusal"
import { Kind, RequiredRole } from "@credit/rpc/Access"
import { Settings } from "@credit/server/config/Settings"
import { HttpServerLive } from "@credit/server/http/HttpServerLive"
import { rpcRoute } from "@credit/server/http/RpcRoute"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { post, SECRET } from "../utils/TestService.ts"

class TooMany extends Schema.TaggedError<TooMany>()("TooMany", { limit: Schema.Int }) {}

const Numbers = Rpc.make("Numbers", {
  payload: Schema.Struct({ count: Schema.Int, failAt: Schema.optionalKey(Schema.Int) }),
  success: Schema.Struct({ n: Schema.Int }),
  error: Schema.Union([TooMany, InvalidRequest]),
  stream: true
})
  .annotate(Kind, "query")
  .annotate(RequiredRole, "app")
const group = RpcGroup.make(Numbers)

describe("a stream", () => {
  let url: string
  let made = 0
  const ended = Promise.withResolvers<void>()
  const scope = Effect.runSync(Scope.make())
  beforeAll(async () => {
    const handler = group.toLayer({
      Numbers: ({ count, failAt }) =>
        Stream.range(1, count).pipe(
          Stream.rechunk(100),
          Stream.mapEffect((n) =>
            n === failAt
              ? Effect.fail(new TooMany({ limit: n }))
              : Effect.sync(() => {
                  made = n
                  return { n }
                })
          ),
          Stream.rechunk(100),
          Stream.ensuring(Effect.sync(() => count > 100_000 && ended.resolve()))
        )
    })
    const layer = HttpRouter.serve(rpcRoute(group).pipe(Layer.provide(handler)), {
      disableLogger: true,
      disableListenLog: true
    }).pipe(
      Layer.provideMerge(HttpServerLive),
      Layer.provide(Settings.layer),
      Layer.provide(
        ConfigProvider.layer(
          ConfigProvider.fromEnv({ env: { JWT_SECRET: SECRET, PORT: "0", REQUEST_DEADLINE: "300 millis" } })
        )
      )
    )
    const { address } = Context.get(await Effect.runPromise(Layer.buildWithScope(layer, scope)), HttpServer.HttpServer)
    if (!("port" in address)) throw new Error("the server has no port")
    url = `http://127.0.0.1:${address.port}`
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const withClient = <A, E>(
    use: (client: RpcClient.FromGroup<typeof group, RpcClientError>) => Effect.Effect<A, E, Scope.Scope>
  ): Promise<A> =>
    Effect.runPromise(
      Effect.scoped(Effect.flatMap(RpcClient.make(group), use)).pipe(
        Effect.provide(
          RpcClient.layerProtocolHttp({ url: `${url}/rpc` }).pipe(
            Layer.provide([RpcSerialization.layerNdjson, NodeHttpClient.layerUndici])
          )
        )
      )
    )

  it("arrives whole and in order", async () => {
    const numbers = await withClient((client) => Stream.runCollect(client.Numbers({ count: 20_000 })))
    assert.lengthOf(numbers, 20_000)
    assert.isTrue(numbers.every(({ n }, index) => n === index + 1))
  })

  it("ends with its typed error after what came before it", async () => {
    let last = 0
    const error = await withClient((client) =>
      Effect.flip(
        Stream.runForEach(client.Numbers({ count: 1000, failAt: 501 }), ({ n }) =>
          Effect.sync(() => {
            last = n
          })
        )
      )
    )
    assert.instanceOf(error, TooMany)
    assert.strictEqual(last, 500)
  })

  it("waits for a reader that takes its time, beyond any deadline, and ends when the reader leaves", async () => {
    await withClient((client) =>
      Stream.runForEach(Stream.take(client.Numbers({ count: 100_000_000 }), 100), () => Effect.sleep(10))
    )
    await ended.promise
    assert.isAbove(made, 100)
    assert.isBelow(made, 5_000_000)
  })

  it("cannot come as one JSON text", async () => {
    const { ended: answers } = await post({ url }, '{"tag":"Numbers","payload":{"count":1}}')
    assert.strictEqual(answers[0]?.error?.field, "Content-Type")
  })

  it("refuses a payload like any call", async () => {
    const { ended: answers, text } = await post({ url }, '{"tag":"Numbers","payload":{"count":"x"}}', {
      "content-type": "application/x-ndjson"
    })
    assert.strictEqual(answers[0]?.error?._tag, "InvalidRequest", text)
  })
})
