import type { MerchantId } from "@credit/domain/Ids"
import * as Effect from "effect/Effect"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"

/** How one merchant stands. */
export interface MerchantHealth {
  readonly merchantId: MerchantId
  /** `maintenance` is no fault: its queries are answered. */
  readonly status: "healthy" | "unhealthy" | "maintenance"
  /** What is wrong, or why it is in maintenance. */
  readonly detail?: string
  /** When maintenance is to end, if that was said. */
  readonly until?: string
}

const STATUS = `
SELECT json_build_object('status', s.status, 'reason', s.reason, 'until', app.epoch_milliseconds(s.until))::text AS json
FROM public.service_status AS s`

interface Status {
  readonly status: "ready" | "maintenance"
  readonly reason: string | null
  readonly until: number | null
}

/** How long a merchant's database may take to answer before it counts as unhealthy. */
export const PROBE_LIMIT = "1 second"

/** Asks a merchant's database how it stands. Never fails, and never takes longer than {@link PROBE_LIMIT}. */
export const merchantHealth = (database: MerchantDatabase): Effect.Effect<MerchantHealth> => {
  const { merchantId } = database
  const unhealthy = (detail: string): MerchantHealth => ({ merchantId, status: "unhealthy", detail })
  return database.examine<Status>(STATUS).pipe(
    Effect.match({
      onFailure: ({ detail }) => unhealthy(detail),
      onSuccess: ({ reason, status, until }): MerchantHealth =>
        status === "ready"
          ? { merchantId, status: "healthy" }
          : {
              merchantId,
              status,
              ...(reason === null ? {} : { detail: reason }),
              ...(until === null ? {} : { until: new Date(until).toISOString() })
            }
    }),
    Effect.timeoutOrElse({
      duration: PROBE_LIMIT,
      orElse: () => Effect.succeed(unhealthy("the database does not answer within a second"))
    })
  )
}
