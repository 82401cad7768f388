import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"

/**
 * `/health` tells that the service answers, and which version; `/health/live` the same without looking at anything. Neither
 * depends on a merchant's database: one tenant's trouble must not restart the service.
 */
export const HealthRoutes = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const { release } = yield* Settings
    yield* router.add("GET", "/health", HttpServerResponse.jsonUnsafe({ status: "healthy", version: release }))
    yield* router.add("GET", "/health/live", HttpServerResponse.jsonUnsafe({ status: "live" }))
  })
)
