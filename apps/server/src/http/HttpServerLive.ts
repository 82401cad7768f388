import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"

/** A proxy keeps connections for a minute; ours must outlive that, or it sends into a connection we are closing. */
const KEEP_ALIVE = 65_000
/** How long the rest of the shutdown may take after the last request: the engine's drain and the pools. */
const AFTER_REQUESTS = Duration.seconds(8)

/**
 * Node's HTTP server. A caller that sends its headers or its body too slowly is cut off. When the scope closes it takes no
 * more connections, lets requests end for as long as one may take, and then closes what is left. It listens before the
 * service is complete: what comes in between waits for that.
 */
export const HttpServerLive = Layer.effect(
  HttpServer.HttpServer,
  Effect.gen(function* () {
    const settings = yield* Settings
    const node = createServer({
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      connectionsCheckingInterval: 2_000,
      maxHeaderSize: 16_384,
      // Node would keep the first of two Authorization headers. Joined they are no token, and so refused.
      joinDuplicateHeaders: true,
      // No other protocol is spoken here: a request that offers to change to one is answered as it is.
      shouldUpgradeCallback: () => false
    })
    node.maxConnections = settings.maximumConnections
    const handOver = keepUntilServed(node)
    const drain = Duration.min(
      Duration.sum(settings.requestDeadline, Duration.seconds(2)),
      Duration.max(Duration.zero, Duration.subtract(settings.shutdownDeadline, AFTER_REQUESTS))
    )
    const server = yield* NodeHttpServer.make(() => node, {
      port: settings.port,
      host: settings.bindAddress,
      gracefulShutdownTimeout: drain
    })
    // Runs when requests were given their time, and before the close that waits for every connection.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    return HttpServer.make({
      address: server.address,
      serve: (app, middleware) =>
        Effect.andThen(
          middleware === undefined ? server.serve(app) : server.serve(app, middleware),
          Effect.andThen(
            Effect.sync(handOver),
            // The last one added runs first: before the server stops taking connections and waits for those there are.
            Effect.addFinalizer(() => Effect.sync(() => closeWhenIdle(node)))
          )
        )
    })
  })
)

/**
 * Keeps requests while nobody else hears of them: Node would drop such a request and never answer it, and no timeout of its
 * own ends it. Returns what hands them over to whoever listens by then.
 */
const keepUntilServed = (node: Server): (() => void) => {
  const early: Array<readonly [IncomingMessage, ServerResponse]> = []
  const keep = (request: IncomingMessage, response: ServerResponse) => {
    if (node.listenerCount("request") === 1) early.push([request, response])
  }
  node.on("request", keep)
  return () => {
    node.off("request", keep)
    for (const [request, response] of early.splice(0)) node.emit("request", request, response)
  }
}

/** Node's close leaves a connection open whose request was under way, until its client or the keep-alive time ends it. */
const closeWhenIdle = (node: Server): void => {
  const timer = setInterval(() => node.closeIdleConnections(), 50)
  node.once("close", () => clearInterval(timer))
}
