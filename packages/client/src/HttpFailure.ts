import * as Predicate from "effect/Predicate"
import { TransportFailure } from "./Transport.ts"

type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** Said by a proxy when the service is away for a moment, or has too much to do. */
const PASSING = new Set([429, 502, 503, 504])

/** What a call fails with once the client is closed. */
export const closedFailure = new TransportFailure({
  reason: "closed",
  detail: "the client was closed",
  passing: false
})

/** The connection could not be made, or broke before the answer was whole. `origin` has no credentials in it. */
export const connectionFailure = (origin: string, error: Error): TransportFailure => {
  const code = Predicate.hasProperty(error, "code") && Predicate.isString(error.code) ? error.code : error.name
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") {
    return closedFailure
  }
  return new TransportFailure({
    reason: "unreachable",
    detail: code === "UND_ERR_SOCKET" ? `lost the connection to ${origin}` : `cannot reach ${origin} (${code})`,
    passing: true
  })
}

/** The HTTP answer is whole, but holds no end of the call. */
export const unansweredFailure = (origin: string, status: number, headers: Headers): TransportFailure => {
  if (status === 200) {
    return new TransportFailure({
      reason: "unreachable",
      detail: `the answer of ${origin} was cut short`,
      passing: true
    })
  }
  const passing = PASSING.has(status)
  return new TransportFailure({
    reason: "http",
    detail: passing ? `${origin} answered HTTP ${status}` : `${origin} answered HTTP ${status}; is the base URL right?`,
    passing,
    status,
    retryAfterSeconds: retryAfter(headers)
  })
}

/** The body is not what the RPC protocol says. */
export const unreadableFailure = (origin: string, status: number, headers: Headers): TransportFailure => {
  const type = `${headers["content-type"] ?? "application/json"}`
  // JSON that does not parse was cut on its way; anything else never came from the service.
  return status !== 200 || type.includes("json")
    ? unansweredFailure(origin, status, headers)
    : new TransportFailure({
        reason: "http",
        detail: `${origin} answered with ${type.split(";")[0]}; is the base URL right?`,
        passing: false,
        status
      })
}

/** No end of the call in time. */
export const timeoutFailure = (origin: string, millis: number): TransportFailure =>
  new TransportFailure({ reason: "timeout", detail: `${origin} did not answer within ${millis} ms`, passing: true })

/** `Retry-After` in seconds; the form with a date is not used by what stands before the service. */
const retryAfter = (headers: Headers): number | undefined => {
  const text = `${headers["retry-after"] ?? ""}`
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined
}
