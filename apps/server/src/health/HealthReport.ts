import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { Reporter } from "../telemetry/Reporter.ts"
import { type MerchantHealth, merchantHealth } from "./MerchantHealth.ts"

/** How the service and all its merchants stand. */
export interface HealthReport {
  /** `degraded`: it serves, but not every merchant, or not everything. */
  readonly status: "healthy" | "degraded"
  readonly version: string
  readonly at: string
  /** How long the asking took. */
  readonly responseTimeMs: number
  readonly merchants: ReadonlyArray<MerchantHealth>
  /** Whether every job of every merchant that answers has succeeded as often as its schedule says, the last time at least. */
  readonly backgroundJobs: { readonly status: "healthy" | "degraded"; readonly issues: ReadonlyArray<string> }
  readonly externalServices: ReadonlyArray<{ readonly name: string; readonly status: "configured" | "off" }>
}

/** Jobs that are late or whose last run failed, as `merchant:job`. */
const jobIssues = ({ jobs = [], merchantId }: MerchantHealth): ReadonlyArray<string> =>
  jobs.filter(({ failures, overdue }) => overdue || failures > 0).map(({ name }) => `${merchantId}:${name}`)

/** A report is told again for so long before it is made anew. */
const KEPT_FOR = "5 seconds"

/** Asks all merchants' databases at once, at most every {@link KEPT_FOR}; however many ask, they share an answer. */
export class HealthReports extends Context.Service<HealthReports, { readonly latest: Effect.Effect<HealthReport> }>()(
  "@credit/server/health/HealthReports"
) {
  static readonly layer = Layer.effect(
    HealthReports,
    Effect.gen(function* () {
      const databases = yield* MerchantDatabases
      const directory = yield* MerchantDirectory
      const reporter = yield* Reporter
      const { release } = yield* Settings

      const ask = (merchantId: MerchantHealth["merchantId"]) =>
        Effect.matchEffect(databases.find(merchantId), {
          onFailure: () => Effect.succeed({ merchantId, status: "unhealthy", detail: "unknown" } as const),
          onSuccess: merchantHealth
        })

      const make = Effect.gen(function* () {
        const started = performance.now()
        // Those of a template are known from when they were first asked for.
        const known = new Set([
          ...directory.list().map((urls) => urls.merchantId),
          ...databases.status().map((status) => status.merchantId)
        ])
        const merchants = yield* Effect.forEach([...known].toSorted(), ask, { concurrency: "unbounded" })
        const issues = merchants.flatMap(jobIssues)
        const answering = merchants.every(({ status }) => status !== "unhealthy")
        const report: HealthReport = {
          status: answering && issues.length === 0 ? "healthy" : "degraded",
          version: release,
          at: new Date().toISOString(),
          responseTimeMs: Math.round(performance.now() - started),
          merchants,
          backgroundJobs: { status: issues.length === 0 ? "healthy" : "degraded", issues },
          externalServices: [{ name: "sentry", status: reporter.enabled ? "configured" : "off" }]
        }
        return report
      })
      // Whoever asked first may leave: the others still wait for what it began.
      const latest = yield* Effect.cachedWithTTL(Effect.uninterruptible(make), KEPT_FOR)
      return HealthReports.of({ latest })
    })
  )
}
