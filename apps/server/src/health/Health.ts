import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type { TokenClaims } from "../access/TokenClaims.ts"
import { Tokens } from "../access/Tokens.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { isMerchantId } from "../merchants/MerchantUrls.ts"
import { Draining } from "./Draining.ts"
import { type HealthReport, HealthReports } from "./HealthReport.ts"
import { merchantHealth } from "./MerchantHealth.ts"

const answer = (status: number, body: object) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers: { "cache-control": "no-store" } })

const LIVE = answer(200, { status: "live" })
const READY = answer(200, { status: "ready" })
const DRAINING = answer(503, { status: "draining" })
/** The same for a merchant that does not answer and for one there is none of: nobody learns which merchants there are. */
const NOT_READY = answer(503, { status: "unavailable" })

/**
 * - `/health/live`: the process answers. Looks at nothing else: one tenant's trouble must not restart the service.
 * - `/health/ready`: it may be sent requests, which ends with the signal to stop. `?merchant=` asks for one merchant: whether its
 *   database answers and it takes commands.
 * - `/health`: how all merchants stand. Always 200: `degraded` is for people and monitors, not for whoever restarts processes.
 *   Which merchants is told to an operator, and to an admin about its own; to anybody else only how many.
 */
export const HealthRoutes = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const databases = yield* MerchantDatabases
    const draining = yield* Draining
    const reports = yield* HealthReports
    const tokens = yield* Tokens

    yield* router.add("GET", "/health/live", LIVE)
    yield* router.add("GET", "/health/ready", (request) => {
      if (draining.isDraining()) return Effect.succeed(DRAINING)
      const merchantId = URL.parse(request.url, "http://localhost")?.searchParams.get("merchant")
      if (merchantId === null || merchantId === undefined) return Effect.succeed(READY)
      if (!isMerchantId(merchantId)) return Effect.succeed(NOT_READY)
      return databases.find(merchantId).pipe(
        Effect.flatMap(merchantHealth),
        Effect.map(({ status, until }) => {
          if (status === "healthy") return READY
          return status === "unhealthy" ? NOT_READY : answer(503, { status, ...(until === undefined ? {} : { until }) })
        }),
        Effect.catch(() => Effect.succeed(NOT_READY))
      )
    })
    yield* router.add("GET", "/health", (request) =>
      Effect.gen(function* () {
        const report = yield* reports.latest
        const claims = yield* staff(tokens, request)
        return answer(200, claims === undefined ? withoutNames(report) : about(report, claims))
      })
    )
  })
)

/** The claims of an admin's or operator's token; whatever else was sent counts as nothing. */
const staff = (tokens: Tokens["Service"], request: HttpServerRequest) =>
  tokens.authenticate(request.headers.authorization).pipe(
    Effect.map((claims) => (claims.role === "admin" || claims.role === "operator" ? claims : undefined)),
    Effect.catch(() => Effect.undefined)
  )

const withoutNames = ({ backgroundJobs, merchants, ...report }: HealthReport) => {
  const count = (status: HealthReport["merchants"][number]["status"]) =>
    merchants.filter((it) => it.status === status).length
  return {
    ...report,
    backgroundJobs: { status: backgroundJobs.status, issues: backgroundJobs.issues.length },
    merchants: {
      known: merchants.length,
      healthy: count("healthy"),
      unhealthy: count("unhealthy"),
      maintenance: count("maintenance")
    }
  }
}

const about = (report: HealthReport, { merchantId: own }: TokenClaims) =>
  own === undefined
    ? report
    : {
        ...report,
        merchants: report.merchants.filter(({ merchantId }) => merchantId === own),
        backgroundJobs: {
          ...report.backgroundJobs,
          issues: report.backgroundJobs.issues.filter((issue) => issue.startsWith(`${own}:`))
        }
      }
