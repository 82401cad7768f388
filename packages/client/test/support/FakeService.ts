import { EventEmitter, once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

/** A call as the fake service received it. */
export interface ReceivedCall {
  readonly id: string
  readonly tag: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  /** Which call of its RPC and payload this is, from 1. */
  readonly attempt: number
}

/** What becomes of a call. */
export type Reaction =
  /** The call's end, as the RPC protocol has it. */
  | { readonly do: "answer"; readonly exit: unknown }
  /** A whole HTTP answer that is none of the protocol. */
  | { readonly do: "http"; readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
  /** Some of the answer, then the connection is gone. */
  | { readonly do: "cut"; readonly exit: unknown; readonly bytes: number }
  /** The connection is gone at once. */
  | { readonly do: "reset" }
  /** No answer. */
  | { readonly do: "hang" }
  /** An answer when `until` resolves; without an exit, the connection is gone then. */
  | { readonly do: "wait"; readonly until: Promise<unknown>; readonly exit?: unknown }
  /** The messages of a streamed answer, as lines. */
  | {
      readonly do: "stream"
      readonly messages: ReadonlyArray<Readonly<Record<string, unknown>>>
      readonly end: boolean
    }

export const success = (value: unknown): Reaction => ({ do: "answer", exit: { _tag: "Success", value } })

export const failure = (error: unknown): Reaction => ({
  do: "answer",
  exit: { _tag: "Failure", cause: [{ _tag: "Fail", error }] }
})

interface Request {
  readonly _tag: "Request"
  readonly id: string
  readonly tag: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly headers: ReadonlyArray<readonly [string, string]>
}

export interface FakeOptions {
  /** Refuses HTTP requests with several calls as a whole, without looking at the calls. */
  readonly refuseSharedRequests?: boolean
}

/**
 * An HTTP server that speaks the wire protocol of `POST /rpc` as the service does, and misbehaves as it is told. `react`
 * says what becomes of each call.
 */
export class FakeService {
  readonly calls: Array<ReceivedCall> = []
  /** The `Authorization` of every HTTP request, in order; their number is that of the requests. */
  readonly authorizations: Array<string | undefined> = []
  /** The path of every HTTP request. */
  readonly paths: Array<string | undefined> = []
  /** HTTP requests whose client went away before the answer. */
  abandoned = 0
  /** Connections that were ever made. */
  connections = 0
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private readonly arrivals = new EventEmitter()
  private readonly underWay = new Set<Promise<void>>()
  private readonly attempts = new Map<string, number>()
  private readonly options: FakeOptions
  private readonly react: (call: ReceivedCall) => Reaction

  private constructor(react: (call: ReceivedCall) => Reaction, options: FakeOptions) {
    this.react = react
    this.options = options
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined)
      )
    })
    this.server.on("connection", (socket) => {
      this.connections += 1
      this.sockets.add(socket)
      socket.on("close", () => this.sockets.delete(socket))
    })
  }

  static async start(react: (call: ReceivedCall) => Reaction, options: FakeOptions = {}): Promise<FakeService> {
    const service = new FakeService(react, options)
    service.server.listen(0, "127.0.0.1")
    await once(service.server, "listening")
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get port(): number {
    const address: AddressInfo | string | null = this.server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }

  /** The idempotency keys that came with an RPC, without repeats. */
  keysOf(tag: string): ReadonlyArray<string> {
    return [...new Set(this.callsOf(tag).map((call) => call.headers["idempotency-key"] ?? ""))]
  }

  callsOf(tag: string): ReadonlyArray<ReceivedCall> {
    return this.calls.filter((call) => call.tag === tag)
  }

  /** Closes every connection from this side, idle ones included. */
  dropConnections(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /** Waits until so many calls have come. */
  async received(calls: number): Promise<void> {
    while (this.calls.length < calls) await once(this.arrivals, "call")
  }

  /** Waits until every HTTP request is answered or given up. */
  async idle(): Promise<void> {
    await Promise.all(this.underWay)
  }

  async stop(): Promise<void> {
    this.dropConnections()
    this.server.close()
    await once(this.server, "close")
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.authorizations.push(request.headers.authorization)
    this.paths.push(request.url)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.underWay.add(promise)
    response.on("close", () => {
      if (!response.writableFinished) this.abandoned += 1
      this.underWay.delete(promise)
      resolve()
    })
    let text = ""
    for await (const chunk of request.setEncoding("utf8")) text += chunk
    const lines = request.headers["content-type"]?.includes("ndjson") === true
    const requests: ReadonlyArray<Request> = lines
      ? text
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
      : [JSON.parse(text)]
    if (requests.length > 1 && this.options.refuseSharedRequests === true) {
      response.writeHead(400).end("[]")
      return
    }
    const answers = requests.map((call) => ({ call, reaction: this.react(this.receive(call)) }))
    const [only] = answers
    if (only !== undefined && answers.length === 1) return this.answerOne(only.call, only.reaction, lines, response)
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    await Promise.all(
      answers.map(async ({ call, reaction }) => {
        if (reaction.do === "wait") await reaction.until
        if (reaction.do === "answer" || reaction.do === "wait") {
          response.write(`${JSON.stringify({ _tag: "Exit", requestId: call.id, exit: reaction.exit })}\n`)
        }
        if (reaction.do === "reset") response.destroy()
        if (reaction.do === "hang") await new Promise(() => {})
      })
    )
    response.end()
  }

  private receive(request: Request): ReceivedCall {
    const identity = `${request.tag} ${JSON.stringify(request.payload)}`
    const attempt = (this.attempts.get(identity) ?? 0) + 1
    this.attempts.set(identity, attempt)
    const call = { ...request, headers: Object.fromEntries(request.headers), attempt }
    this.calls.push(call)
    this.arrivals.emit("call")
    return call
  }

  private async answerOne(call: Request, reaction: Reaction, lines: boolean, response: ServerResponse): Promise<void> {
    const type = { "content-type": lines ? "application/x-ndjson" : "application/json" }
    const body = (exit: unknown) => {
      const message = JSON.stringify({ _tag: "Exit", requestId: call.id, exit })
      return lines ? `${message}\n` : `[${message}]`
    }
    switch (reaction.do) {
      case "answer":
        response.writeHead(200, type).end(body(reaction.exit))
        return
      case "wait":
        await reaction.until
        if (reaction.exit === undefined) response.destroy()
        else response.writeHead(200, type).end(body(reaction.exit))
        return
      case "http":
        response.writeHead(reaction.status, reaction.headers).end(reaction.body ?? "")
        return
      case "cut": {
        const whole = body(reaction.exit)
        response.writeHead(200, { ...type, "content-length": Buffer.byteLength(whole) })
        response.write(whole.slice(0, reaction.bytes), () => response.destroy())
        return
      }
      case "reset":
        response.destroy()
        return
      case "hang":
        return
      case "stream":
        response.writeHead(200, type)
        for (const message of reaction.messages)
          response.write(`${JSON.stringify({ ...message, requestId: call.id })}\n`)
        if (reaction.end) response.end()
    }
  }
}
