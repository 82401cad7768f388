import type { IncomingMessage } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

/** Why a body could not be read: it is larger than allowed, or the caller left in the middle of it. */
export type BodyFault = "too_large" | "cut_short"

/**
 * Reads the body of a request, up to a limit. Straight from Node's stream, because every call pays for this; the
 * platform's reader serves the few callers that wait for a `100 Continue`, which only it can send.
 */
export const readBody = (request: HttpServerRequest, maximumBytes: number): Effect.Effect<Uint8Array, BodyFault> => {
  if (Number(request.headers["content-length"] ?? 0) > maximumBytes) return Effect.fail("too_large")
  if (request.headers.expect !== undefined) return readWithContinue(request, maximumBytes)
  return Effect.callback<Uint8Array, BodyFault>((resume) => {
    // The type allows for HTTP/2, whose requests are streams of the same kind.
    const source = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
    const chunks: Array<Buffer> = []
    let size = 0
    const done = (result: Effect.Effect<Uint8Array, BodyFault>) => {
      source.off("data", onData).off("end", onEnd).off("close", onClose)
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > maximumBytes) {
        // What is still to come is thrown away, or the connection closed, when the response has been sent.
        source.pause()
        return done(Effect.fail("too_large"))
      }
      chunks.push(chunk)
    }
    const onEnd = () => {
      const [only] = chunks
      done(Effect.succeed(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, size)))
    }
    const onClose = () => done(Effect.fail("cut_short"))
    // An error is always followed by the close.
    source.on("error", () => undefined)
    source.on("data", onData).on("end", onEnd).on("close", onClose)
  })
}

const readWithContinue = (request: HttpServerRequest, maximumBytes: number): Effect.Effect<Uint8Array, BodyFault> =>
  request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maximumBytes)),
    Effect.map((bytes) => new Uint8Array(bytes)),
    Effect.mapError(({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? "too_large" : "cut_short"
    )
  )
