import { InvalidRequest } from "@credit/domain/Refusal"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as Stream from "effect/Stream"
import { Settings } from "../config/Settings.ts"
import { callHeaders } from "./CallHeaders.ts"
import { JsonExchange, LinesExchange, StreamExchange } from "./Exchange.ts"
import { type CallMessage, type Framing, type ParsedBody, parseBody } from "./RequestBody.ts"
import { makeRpcCalls, Round, type RpcCalls, wireInvalid } from "./RpcCalls.ts"
import { readBody } from "./readBody.ts"

const CONTENT_TYPE: Readonly<Record<Framing, string>> = { json: "application/json", ndjson: "application/x-ndjson" }

/** So many answers may wait for a caller that reads slowly; then their handlers wait. */
const UNREAD_MESSAGES = 64

/**
 * `POST /rpc`: the calls of a group over HTTP, in the wire form of `effect/rpc`'s client with JSON or NDJSON serialization,
 * and lenient with requests written by hand. What becomes of a call is HTTP 200; 400 and 413 say that the body holds no call
 * that could be run, with the error in the same form.
 */
export const rpcRoute = <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* HttpRouter.HttpRouter
      const settings = yield* Settings
      const calls = yield* makeRpcCalls(group)
      yield* router.add("POST", "/rpc", handling(calls, settings))
      for (const method of ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
        yield* router.add(method, "/rpc", HttpServerResponse.empty({ status: 405, headers: { allow: "POST" } }))
      }
    })
  )

type Response = Effect.Effect<HttpServerResponse.HttpServerResponse>

const handling = (calls: RpcCalls, settings: Settings["Service"]): ((request: HttpServerRequest) => Response) => {
  const limit = settings.maximumBodyBytes
  const problem = new InvalidRequest({ field: "body", message: `The body is larger than ${limit} bytes` })
  const tooLarge = Effect.succeed(refuseBody({ framing: "json", calls: [], problem }, 413))
  // Nobody reads it: the caller has left.
  const cutShort = Effect.succeed(HttpServerResponse.empty({ status: 400 }))
  return (request) =>
    Effect.matchEffect(readBody(request, limit), {
      onFailure: (fault) => (fault === "too_large" ? tooLarge : cutShort),
      onSuccess: (bytes) => respond(bytes, request, calls, settings)
    })
}

const respond = (
  bytes: Uint8Array,
  request: HttpServerRequest,
  calls: RpcCalls,
  settings: Settings["Service"]
): Response => {
  const body = parseBody(bytes, request.headers["content-type"], settings.maximumCallsPerRequest)
  if (body.problem !== undefined) return Effect.succeed(refuseBody(body, 400))
  if (body.calls.length === 0)
    return Effect.succeed(
      HttpServerResponse.text(body.framing === "json" ? "[]" : "", { contentType: CONTENT_TYPE[body.framing] })
    )
  const deadline = Duration.toMillis(settings.requestDeadline)
  const run = (round: Round) => runRound(body, round, request, calls, settings.maximumCallsInFlight)
  return body.framing === "ndjson" &&
    (body.calls.length > 1 || body.calls.some((call) => calls.find(call.tag)?.streams))
    ? streamed(body, run, calls, deadline)
    : gathered(body, run, calls, deadline)
}

/** The answer when no call is run: the same error for each of them, or for the one that could not be made out. */
const refuseBody = (body: ParsedBody, status: 400 | 413): HttpServerResponse.HttpServerResponse => {
  const error = wireInvalid(body.problem ?? new InvalidRequest({ field: "body", message: "The body holds no call" }))
  const ids = body.calls.length === 0 ? [""] : new Set(body.calls.map(({ id }) => id))
  const exit = { _tag: "Failure", cause: [{ _tag: "Fail", error }] }
  const messages = Array.from(ids, (requestId) => JSON.stringify({ _tag: "Exit", requestId, exit }))
  const text = body.framing === "json" ? `[${messages.join(",")}]` : messages.map((it) => `${it}\n`).join("")
  return HttpServerResponse.text(text, { status, contentType: CONTENT_TYPE[body.framing] })
}

/** Starts every call of a request, or answers what is wrong with it. */
const runRound = (
  body: ParsedBody,
  round: Round,
  request: HttpServerRequest,
  calls: RpcCalls,
  maximumInFlight: number
): Effect.Effect<void> => {
  const start = (call: CallMessage): Effect.Effect<void> => {
    if (call.problem !== undefined) return calls.refuse(call, wireInvalid(call.problem), round)
    const rpc = calls.find(call.tag)
    if (rpc === undefined) {
      return calls.refuse(call, { _tag: "InvalidRequest", field: "tag", message: "There is no such RPC" }, round)
    }
    if (rpc.streams && body.framing === "json") {
      const message = "The answer is a stream: send application/x-ndjson"
      return calls.refuse(call, { _tag: "InvalidRequest", field: "Content-Type", message }, round)
    }
    if (calls.inFlight() >= maximumInFlight) {
      return calls.refuse(call, { _tag: "RateLimited", retryAfterSeconds: 1 }, round)
    }
    const headers = callHeaders(request.headers, call.headers, body.calls.length === 1)
    return headers instanceof InvalidRequest
      ? calls.refuse(call, wireInvalid(headers), round)
      : calls.start(call, headers, round)
  }
  const [only] = body.calls
  if (only !== undefined && body.calls.length === 1) return start(only)
  return Effect.forEach(body.calls, start, { discard: true })
}

/** Answers in one piece, when the last call is answered. */
const gathered = (
  body: ParsedBody,
  run: (round: Round) => Effect.Effect<void>,
  calls: RpcCalls,
  deadlineMillis: number
): Response =>
  Effect.suspend(() => {
    let text: string | undefined
    let resume: ((response: Response) => void) | undefined
    const done = (all: string) => {
      text = all
      resume?.(Effect.succeed(complete(all, body.framing)))
    }
    const exchange = body.framing === "json" ? new JsonExchange(done) : new LinesExchange(done)
    const round = new Round(exchange, body.calls.length)
    const awaited = Effect.callback<HttpServerResponse.HttpServerResponse>((wake) => {
      if (text !== undefined) return wake(Effect.succeed(complete(text, body.framing)))
      const timer = setTimeout(() => Effect.runFork(calls.expire(round)), deadlineMillis)
      resume = (response) => {
        clearTimeout(timer)
        wake(response)
      }
      return Effect.suspend(() => {
        clearTimeout(timer)
        return calls.abandon(round)
      })
    })
    return Effect.andThen(run(round), awaited)
  })

const complete = (text: string, framing: Framing) =>
  HttpServerResponse.text(text, { contentType: CONTENT_TYPE[framing] })

const encoder = new TextEncoder()

/** Sends each answer as a line as soon as it is there. */
const streamed = Effect.fnUntraced(function* (
  body: ParsedBody,
  run: (round: Round) => Effect.Effect<void>,
  calls: RpcCalls,
  deadlineMillis: number
) {
  const queue = yield* Queue.bounded<string, Cause.Done>(UNREAD_MESSAGES)
  const round = new Round(new StreamExchange(queue), body.calls.length)
  // The calls start when the response does, and each waits for itself: a full queue must not hold up those behind.
  const start = Effect.forkScoped(run(round))
  const expire = Effect.forkScoped(Effect.delay(calls.expire(round), deadlineMillis))
  const lines = Stream.fromQueue(queue).pipe(
    Stream.map((line) => encoder.encode(line)),
    // With the queue shut down nobody is left waiting for a reader.
    Stream.ensuring(Effect.andThen(calls.abandon(round), Queue.shutdown(queue)))
  )
  return HttpServerResponse.stream(Stream.unwrap(Effect.as(Effect.andThen(start, expire), lines)), {
    contentType: CONTENT_TYPE.ndjson
  })
})
