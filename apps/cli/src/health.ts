import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ServiceSilent } from "./Problem.ts"
import { Service } from "./Service.ts"

/** How long the service may take to say how it is. */
const PATIENCE_MILLIS = 10_000

/** A merchant as `/health` tells of it, to an operator and to its admin. */
const Merchant = Schema.Struct({
  merchantId: Schema.String,
  status: Schema.String,
  detail: Schema.optional(Schema.String),
  until: Schema.optional(Schema.String)
})

const Merchants = Schema.Struct({ merchants: Schema.Array(Merchant) })

/** The merchants that were told by name; none where they were only counted. */
export const merchantsOf = (body: unknown): ReadonlyArray<typeof Merchant.Type> => {
  const decoded = Schema.decodeUnknownResult(Merchants)(body)
  return decoded._tag === "Success" ? decoded.success.merchants : []
}

/** `healthy`, `degraded`, or where nothing is said the HTTP status. */
export const statusOf = ({ body, status }: HealthReport): string =>
  Predicate.hasProperty(body, "status") ? `${body.status}` : `HTTP ${status}`

/** What `/health` said. */
export interface HealthReport {
  readonly status: number
  readonly body: unknown
  readonly millis: number
  /** The service's clock, as its answer was made. */
  readonly date: string | null
}

/** Asks the service how it is. It answers without a token, and says more to an admin. */
export const askHealth = Effect.gen(function* () {
  const service = yield* Service
  const { token, url } = yield* service.connection
  const address = new URL(url.value)
  address.pathname = `${address.pathname.replace(/\/+$/, "")}/health`
  const started = performance.now()
  const silent = (message: string) =>
    new ServiceSilent({
      message,
      hint: `is the service at ${url.value.origin} up, and the address right? --url or --profile names another`
    })
  const response = yield* Effect.tryPromise({
    try: (signal) =>
      fetch(address, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MILLIS)]),
        redirect: "error",
        headers: token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token.value)}` }
      }),
    catch: (cause) => silent(`Cannot reach ${url.value.origin} (${codeOf(cause)})`)
  })
  const body = yield* Effect.tryPromise({
    try: async (): Promise<unknown> => await response.json(),
    catch: () => silent(`${url.value.origin} answered /health with HTTP ${response.status} and no JSON`)
  })
  const report: HealthReport = {
    status: response.status,
    body,
    millis: performance.now() - started,
    date: response.headers.get("date")
  }
  return report
})

const codeOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (inner instanceof Error && "code" in inner && typeof inner.code === "string") return inner.code
  return inner instanceof Error ? inner.name : "unknown"
}
