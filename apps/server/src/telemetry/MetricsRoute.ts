import { timingSafeEqual } from "node:crypto"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Settings } from "../config/Settings.ts"
import { Metrics } from "./Metrics.ts"

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
const UNAUTHORIZED = HttpServerResponse.empty({ status: 401, headers: { "www-authenticate": "Bearer" } })

/** `GET /metrics` in Prometheus' text format; with `METRICS_TOKEN` set, for those who send it as a bearer token. */
export const MetricsRoute = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const metrics = yield* Metrics
    const { metricsToken } = yield* Settings
    const text = Effect.map(metrics.text, (body) => HttpServerResponse.text(body, { contentType: CONTENT_TYPE }))
    yield* router.add("GET", "/metrics", (request) =>
      Option.isNone(metricsToken) || isBearer(request.headers.authorization, Redacted.value(metricsToken.value))
        ? text
        : Effect.succeed(UNAUTHORIZED)
    )
  })
)

/** Compares in a time that says nothing about how much of it was right. */
const isBearer = (authorization: string | undefined, token: string): boolean => {
  const sent = Buffer.from(authorization ?? "")
  const expected = Buffer.from(`Bearer ${token}`)
  return sent.length === expected.length && timingSafeEqual(sent, expected)
}
