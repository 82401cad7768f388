import { timestampText } from "@credit/domain/Timestamp"
import { MAX_PERIOD_DAYS } from "@credit/rpc/Page"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import type { OperationMetrics, Usage, UsageRow } from "@credit/rpc/Usage"
import * as Effect from "effect/Effect"
import { decodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { periodOf } from "../ledger/Period.ts"
import { fromMillis, jsonRows } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { analysis } from "../merchants/Snapshot.ts"

/** The longest time whose operations are counted at once. */
const MAX_METRICS_DAYS = 31

/**
 * Usage of a user ($1) within [$2, $3) by period ($4: `day`, `month`, or null for all in one, which begins at $5), from a
 * place ($6, $7, $8) on, $9 rows. An operation's entries, one per lot touched, are of one instant and repeat its amount.
 */
export const USAGE = `
SELECT ${jsonRows(`
  SELECT
    app.epoch_milliseconds(u.period) AS "periodStart", u.operation_type AS "operationTypeCode",
    u.resource_unit AS "resourceUnit", count(*)::integer AS operations,
    trim_scale(sum(u.resource_amount))::text AS "resourceAmount", sum(u.credits)::bigint AS credits
  FROM (
    SELECT
      CASE
        WHEN $4::text IS NULL THEN ${fromMillis("$5::bigint")}
        ELSE date_trunc($4::text, e.created_at, 'UTC')
      END AS period,
      e.operation_type, e.resource_unit, max(e.resource_amount) AS resource_amount, -sum(e.amount) AS credits
    FROM public.ledger_entries AS e
    WHERE e.user_id = $1
      AND e.created_at >= greatest(
        ${fromMillis("$2::bigint")}, CASE WHEN $4::text IS NULL THEN NULL ELSE ${fromMillis("$6::bigint")} END
      )
      AND e.created_at < ${fromMillis("$3::bigint")}
      AND e.reason = 'debit'
      AND e.operation_id IS NOT NULL
    GROUP BY e.created_at, e.operation_id, e.operation_type, e.resource_unit
  ) AS u
  WHERE (u.period, u.operation_type, u.resource_unit) > (${fromMillis("$6::bigint")}, $7::text, $8::text)
  GROUP BY u.period, u.operation_type, u.resource_unit
  ORDER BY u.period, u.operation_type, u.resource_unit
  LIMIT $9::integer`)}::text AS json`

type Row = Omit<typeof UsageRow.Encoded, "periodStart"> & { readonly periodStart: number }

export const getUsageSummary = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Usage, "GetUsageSummary">
) {
  const period = yield* periodOf(request, MAX_PERIOD_DAYS)
  const limit = request.limit ?? PAGE_SIZE
  const place = (yield* decodeCursor(request.cursor, ["instant", "text", "text"])) ?? ["0", "", ""]
  const found = yield* analysis(database, (read) =>
    read<ReadonlyArray<Row>>(USAGE, [
      request.userId,
      `${period.from}`,
      `${period.to}`,
      request.by ?? null,
      `${period.from}`,
      ...place,
      `${limit + 1}`
    ])
  )
  const { next, rows } = page(found, limit, (row) => [row.periodStart, row.operationTypeCode, row.resourceUnit])
  const answer: RpcSuccessEncoded<typeof Usage, "GetUsageSummary"> = {
    usage: rows.map((row) => ({ ...row, periodStart: timestampText(row.periodStart) })),
    ...next
  }
  return answer
})

/** What became of the operations opened within [$1, $2), of one type ($3) or all, by type. */
export const METRICS = `
SELECT json_build_object(
  'now', app.epoch_milliseconds(app.now()),
  'operationTypes', ${jsonRows(`
    SELECT
      o.operation_type_code AS "operationTypeCode",
      count(*)::integer AS opened,
      count(*) FILTER (WHERE o.status = 'open' AND o.expires_at > t.now)::integer AS open,
      count(*) FILTER (WHERE o.status = 'closed')::integer AS closed,
      count(*) FILTER (WHERE o.status = 'cancelled')::integer AS cancelled,
      count(*) FILTER (WHERE o.status = 'expired' OR (o.status = 'open' AND o.expires_at <= t.now))::integer AS expired,
      count(*) FILTER (WHERE o.late)::integer AS late,
      coalesce(sum(o.final_cost), 0)::bigint AS credits,
      count(*) FILTER (WHERE o.estimated_amount IS NOT NULL AND o.final_cost > o.held)::integer AS "beyondEstimate",
      avg(s.seconds) AS "averageSeconds",
      percentile_disc(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY s.seconds) AS seconds,
      avg(o.final_cost)::double precision AS "averageCost",
      percentile_disc(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY o.final_cost::bigint) AS costs
    FROM (SELECT app.now() AS now) AS t
    CROSS JOIN public.operations AS o
    CROSS JOIN LATERAL (
      SELECT CASE WHEN o.status = 'closed' THEN extract(epoch FROM o.closed_at - o.opened_at)::double precision END
        AS seconds
    ) AS s
    WHERE o.opened_at >= ${fromMillis("$1::bigint")} AND o.opened_at < ${fromMillis("$2::bigint")}
      AND ($3::text IS NULL OR o.operation_type_code = $3::text)
    GROUP BY o.operation_type_code
    ORDER BY o.operation_type_code
    LIMIT 10000`)}
)::text AS json`

type Triple = readonly [median: number, p95: number, highest: number]

interface Metrics extends Omit<typeof OperationMetrics.Encoded, "durationSeconds" | "cost"> {
  readonly averageSeconds: number | null
  readonly seconds: Triple | null
  readonly averageCost: number | null
  readonly costs: Triple | null
}

const presentMetrics = (found: Metrics): typeof OperationMetrics.Encoded => {
  const { averageCost, averageSeconds, costs, seconds, ...counts } = found
  return {
    ...counts,
    ...(averageSeconds === null || seconds === null
      ? {}
      : { durationSeconds: { average: averageSeconds, median: seconds[0], p95: seconds[1], longest: seconds[2] } }),
    ...(averageCost === null || costs === null
      ? {}
      : { cost: { average: averageCost, median: costs[0], p95: costs[1], highest: costs[2] } })
  }
}

export const getOperationMetrics = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Usage, "GetOperationMetrics">
) {
  const { from, to } = yield* periodOf(request, MAX_METRICS_DAYS)
  const { now, operationTypes } = yield* analysis(database, (read) =>
    read<{ readonly now: number; readonly operationTypes: ReadonlyArray<Metrics> }>(METRICS, [
      `${from}`,
      `${to}`,
      request.operationTypeCode ?? null
    ])
  )
  const answer: RpcSuccessEncoded<typeof Usage, "GetOperationMetrics"> = {
    asOf: timestampText(now),
    operationTypes: operationTypes.map(presentMetrics)
  }
  return answer
})
