import * as Undici from "@effect/platform-node/Undici"
import * as Redacted from "effect/Redacted"
import { connectionFailure, unansweredFailure, unreadableFailure } from "./HttpFailure.ts"
import type { TransportFailure } from "./Transport.ts"
import { AnswerReader, readAnswer, type WireAnswer } from "./Wire.ts"

/** How the service is reached. */
export interface HttpOptions {
  /** `http://host:port`, with a path if the service is behind one; `/rpc` is appended. */
  readonly baseUrl: string | URL
  readonly token: string | Redacted.Redacted
  /** The most connections at once; each carries one HTTP request at a time. */
  readonly connections: number
}

/** A request body. `soleCall` is the id of its only call, if it has only one. */
export interface HttpBody {
  readonly text: string
  readonly contentType: "application/json" | "application/x-ndjson"
  readonly soleCall?: string
}

/** Is told of each answer as it arrives and, once, that no more will come. */
export interface Listener {
  readonly answer: (answer: WireAnswer) => void
  /** What a call fails with that has had no answer by now. */
  readonly end: (failure: TransportFailure) => void
}

/** An HTTP request under way. */
export interface HttpRequest {
  readonly abort: () => void
  readonly pause: () => void
  readonly resume: () => void
}

/**
 * HTTP/1.1 over kept-alive connections. Undici's dispatcher is used as it is: it costs a call a quarter of what `fetch`
 * costs.
 */
export class HttpExchange {
  /** Scheme, host and port, without the credentials a URL may carry: safe to show. */
  readonly origin: string
  private readonly path: string
  private readonly pool: Undici.Pool
  private readonly authorization: Redacted.Redacted

  /** Throws a `TypeError` for a base URL that is none. */
  constructor(options: HttpOptions) {
    const url = serviceUrl(options.baseUrl)
    this.origin = url.origin
    this.path = `${url.pathname.replace(/\/+$/, "")}/rpc`
    this.authorization = Redacted.make(
      `Bearer ${Redacted.isRedacted(options.token) ? Redacted.value(options.token) : options.token}`
    )
    // The timeouts of an answer are the transport's, per call: Undici's are seconds coarse, and 0 turns them off.
    this.pool = new Undici.Pool(url.origin, {
      connections: options.connections,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 5_000,
      keepAliveTimeout: 30_000
    })
  }

  /** Sends one HTTP request, once. */
  post(body: HttpBody, listener: Listener): HttpRequest {
    const answer = new HttpAnswer(this.origin, body.soleCall, listener)
    this.pool.dispatch(
      {
        path: this.path,
        method: "POST",
        headers: { authorization: Redacted.value(this.authorization), "content-type": body.contentType },
        body: body.text
      },
      answer
    )
    return answer
  }

  /** Breaks what is under way and frees the connections. */
  close(): Promise<void> {
    return this.pool.destroy()
  }
}

/** Follows one HTTP answer. */
class HttpAnswer implements Undici.Dispatcher.DispatchHandler, HttpRequest {
  private readonly origin: string
  private readonly soleCall: string | undefined
  private readonly listener: Listener
  private readonly reader = new AnswerReader()
  private controller: Undici.Dispatcher.DispatchController | undefined
  private status = 0
  private headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>> = {}
  private over = false

  constructor(origin: string, soleCall: string | undefined, listener: Listener) {
    this.origin = origin
    this.soleCall = soleCall
    this.listener = listener
  }

  onRequestStart(controller: Undici.Dispatcher.DispatchController): void {
    this.controller = controller
    // Given up while it waited for a connection.
    if (this.over) controller.abort(new Error("given up"))
  }

  onResponseStart(
    _: Undici.Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  ): void {
    this.status = status
    this.headers = headers
  }

  onResponseData(controller: Undici.Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (!this.read(() => this.reader.push(chunk))) controller.abort(new Error("unreadable"))
  }

  onResponseEnd(): void {
    if (this.read(() => this.reader.end())) this.end(unansweredFailure(this.origin, this.status, this.headers))
  }

  onResponseError(_: Undici.Dispatcher.DispatchController, error: Error): void {
    this.end(connectionFailure(this.origin, error))
  }

  abort(): void {
    this.over = true
    this.controller?.abort(new Error("given up"))
  }

  pause(): void {
    this.controller?.pause()
  }

  resume(): void {
    this.controller?.resume()
  }

  /** Hands on what has arrived; false if it cannot be read. */
  private read(messages: () => ReadonlyArray<unknown>): boolean {
    if (this.over) return false
    const read = this.parse(messages)
    for (const message of read ?? []) {
      const answer = readAnswer(message)
      if (answer === undefined) continue
      // A refusal of the request as a whole cannot name the call: the only one it can be about takes it.
      const orphan = this.status !== 200 && this.soleCall !== undefined
      this.listener.answer(orphan ? { ...answer, requestId: this.soleCall } : answer)
    }
    return read !== undefined
  }

  private parse(messages: () => ReadonlyArray<unknown>): ReadonlyArray<unknown> | undefined {
    try {
      return messages()
    } catch {
      // JSON.parse names the text it stumbled over, which may be anything: the caller is told the kind of trouble instead.
      this.end(unreadableFailure(this.origin, this.status, this.headers))
      return undefined
    }
  }

  private end(failure: TransportFailure): void {
    if (this.over) return
    this.over = true
    this.listener.end(failure)
  }
}

const serviceUrl = (baseUrl: string | URL): URL => {
  if (!URL.canParse(`${baseUrl}`)) throw new TypeError("The base URL of the credit service is not a URL")
  const url = new URL(`${baseUrl}`)
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError("The base URL of the credit service must begin with http:// or https://")
  }
  return url
}
