import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HealthReports } from "../health/HealthReport.ts"
import type { MerchantHealth } from "../health/MerchantHealth.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { Metrics } from "./Metrics.ts"

/** Sets the gauges of pools, databases and jobs right before metrics are read. */
export const Gauges = Layer.effectDiscard(
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const databases = yield* MerchantDatabases
    const reports = yield* HealthReports
    metrics.beforeReading(
      Effect.map(reports.latest, ({ merchants }) => {
        for (const { connections, inUse, merchantId, waiting } of databases.status()) {
          metrics.pool(merchantId, { inUse, idle: connections - inUse, waiting })
        }
        for (const health of merchants) tellHealth(metrics, health)
      })
    )
  })
)

const tellHealth = (metrics: Metrics["Service"], health: MerchantHealth): void => {
  const { accountsInDebt, jobs = [], merchantId, status } = health
  metrics.database(merchantId, {
    up: status !== "unhealthy",
    accountsInDebt,
    jobs: jobs.map(({ failures, lastSuccessAt, name }) => ({
      job: name,
      lastSuccessSeconds: lastSuccessAt === undefined ? undefined : Date.parse(lastSuccessAt) / 1000,
      failing: failures > 0
    }))
  })
}
