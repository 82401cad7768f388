import { connect, type Socket } from "node:net"
import { Settings } from "@credit/server/config/Settings"
import { HttpServerLive } from "@credit/server/http/HttpServerLive"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { expect, it } from "vitest"

const server = HttpServerLive.pipe(
  Layer.provide(Settings.layer),
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromEnv({ env: { JWT_SECRET: "a-secret-for-tests-that-is-long-enough", PORT: "0" } })
    )
  )
)

/** Sends a request whose answer ends the connection, and waits until the bytes have left. */
const ask = (port: number, body: string) =>
  new Promise<{ readonly answer: Promise<string> }>((resolve) => {
    let received = ""
    const socket: Socket = connect(port, "127.0.0.1")
    const answer = new Promise<string>((ended) => {
      socket.on("data", (chunk) => {
        received += String(chunk)
      })
      socket.once("close", () => ended(received))
    })
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      () => resolve({ answer })
    )
  })

it("a request that comes while the service is still starting is answered once it has started, and once", async () => {
  const seen: Array<string> = []
  const echo = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = yield* request.text
    seen.push(text)
    return HttpServerResponse.text(`heard ${text}`)
  })
  const program = Effect.gen(function* () {
    const { address, serve } = yield* HttpServer.HttpServer
    if (!("port" in address)) throw new Error("the server has no port")
    const { port } = address
    const early = yield* Effect.promise(() => Promise.all(["one", "two"].map((text) => ask(port, text))))
    // A connection made later is taken later: by its end the server has read the two.
    yield* Effect.promise(() => refusedByNode(port))
    expect(seen).toEqual([])
    yield* serve(echo)
    const late = yield* Effect.promise(() => ask(port, "three"))
    const answers = yield* Effect.promise(() => Promise.all([...early, late].map(({ answer }) => answer)))
    expect(answers.map((answer) => answer.split("\r\n\r\n").at(-1))).toEqual(["heard one", "heard two", "heard three"])
    expect(seen.toSorted()).toEqual(["one", "three", "two"])
  })
  await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(server)))
})

/** What is no HTTP is answered by Node itself, served or not. */
const refusedByNode = (port: number) =>
  new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("close", () => resolve())
    socket.resume()
    socket.end("nonsense\r\n\r\n")
  })
