// The HTTP and RPC stack of the service with nothing behind it: what an answer costs before anything is asked of a ledger.
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"

const Message = Schema.Struct({ userId: Schema.String })

class Echo extends RpcGroup.make(Rpc.make("Echo", { payload: Message, success: Message })) {}

const Routes = Layer.mergeAll(
  RpcServer.layerHttp({ group: Echo, path: "/rpc", protocol: "http", disableTracing: true }).pipe(
    Layer.provide(Echo.toLayer({ Echo: (message) => Effect.succeed(message) })),
    Layer.provide(RpcSerialization.layerJson)
  ),
  HttpRouter.add("GET", "/health/live", HttpServerResponse.text("live"))
)

HttpRouter.serve(Routes, { disableLogger: true }).pipe(
  Layer.provide(
    NodeHttpServer.layerConfig(createServer, { port: Config.Port("PORT"), host: Config.succeed("127.0.0.1") })
  ),
  Layer.launch,
  NodeRuntime.runMain
)
