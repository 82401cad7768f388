import { connect, type Socket } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { startTestService, type TestService } from "../utils/TestService.ts"

const body = '{"tag":"GetUserBalance","payload":{"userId":"u"}}'

describe("a connection", () => {
  let service: TestService
  beforeAll(async () => {
    service = await startTestService({ environment: { MAX_BODY_BYTES: "2048" } })
  })
  afterAll(() => service.close())

  /** Sends these bytes and gathers what comes back until the connection ends. */
  const exchange = (text: string, whileOpen?: (socket: Socket) => void) =>
    new Promise<{ readonly text: string; readonly milliseconds: number }>((resolve) => {
      const started = performance.now()
      let received = ""
      const socket = connect(service.port, "127.0.0.1", () => {
        socket.write(text)
        whileOpen?.(socket)
      })
      socket.on("data", (chunk) => {
        received += String(chunk)
      })
      // A reset is an end like any other here.
      socket.on("error", () => undefined)
      socket.on("close", () => resolve({ text: received, milliseconds: performance.now() - started }))
    })
  const statusOf = ({ text }: { readonly text: string }) => /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]

  it("that sends its headers or its body too slowly is cut off", async () => {
    // A byte now and then, so that it never looks idle.
    const drip = (socket: Socket) => {
      const timer = setInterval(() => socket.write("a"), 500)
      socket.once("close", () => clearInterval(timer))
    }
    const [headers, sent] = await Promise.all([
      exchange("POST /rpc HTTP/1.1\r\nHost: x\r\nX-Slow: ", drip),
      exchange("POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n{", drip)
    ])
    assert.strictEqual(statusOf(headers), "408")
    assert.isBelow(headers.milliseconds, 14_000)
    assert.oneOf(statusOf(sent), ["408", undefined])
    assert.isBelow(sent.milliseconds, 19_000)
  })

  it("with headers beyond 16 KiB is refused", async () => {
    assert.strictEqual(statusOf(await exchange(`GET /health HTTP/1.1\r\nX: ${"x".repeat(17_000)}\r\n\r\n`)), "431")
  })

  const smuggled: ReadonlyArray<readonly [name: string, head: string, rest: string]> = [
    ["a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"],
    ["two lengths", `Content-Length: ${body.length}\r\nContent-Length: 1`, body],
    ["a length that is none", "Content-Length: 1x", body],
    ["a negative length", "Content-Length: -1", body],
    ["chunks of no size", "Transfer-Encoding: chunked", "zz\r\n\r\n"],
    ["another coding", "Transfer-Encoding: gzip, identity", body],
    ["a header folded over two lines", `X: a\r\n b\r\nContent-Length: ${body.length}`, body]
  ]
  for (const [name, head, rest] of smuggled) {
    it(`whose requests can be read in two ways is refused: ${name}`, async () => {
      const answer = await exchange(
        `POST /rpc HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${rest}GET /health HTTP/1.1\r\nHost: x\r\n\r\n`
      )
      assert.strictEqual(statusOf(answer), "400")
      assert.notInclude(answer.text, "healthy")
    })
  }

  it("that offers another protocol is answered in this one", async () => {
    const offer =
      "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
    const answer = await exchange(
      `POST /rpc HTTP/1.1\r\nHost: x\r\n${offer}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    )
    assert.strictEqual(statusOf(answer), "200")
    assert.include(answer.text, "Unauthorized")
  })

  it("that waits to be told to go on is told so, unless its body is too large", async () => {
    const head = (length: number) =>
      `POST /rpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`
    const patient = await exchange(head(body.length), (socket) => {
      socket.once("data", (chunk) => {
        assert.include(String(chunk), "100 Continue")
        socket.write(body)
      })
    })
    assert.include(patient.text, "HTTP/1.1 200")
    assert.include(patient.text, "Unauthorized")
    assert.strictEqual(statusOf(await exchange(head(5000))), "413")
  })

  it("whose body is too large is answered, and the next request on it too", async () => {
    const large = `POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n${"x".repeat(3000)}`
    const { text } = await exchange(`${large}GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.include(text, "413")
    assert.include(text, "healthy")
  })

  it("that ends in the middle of its request disturbs nobody", async () => {
    for (const part of ["POST /rpc", "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"]) {
      await exchange(part, (socket) => setTimeout(() => socket.resetAndDestroy(), 20))
    }
    assert.strictEqual((await fetch(`${service.url}/health/live`)).status, 200)
    assert.deepStrictEqual(service.logged, [])
  })
})
