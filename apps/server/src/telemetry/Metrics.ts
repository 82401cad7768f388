import type { EntryState } from "@credit/domain/LedgerEntry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { Settings } from "../config/Settings.ts"
import type { CallOutcome } from "./CallOutcome.ts"

/** A call that was answered. */
export interface EndedCall {
  /** Absent where the caller was not let in. */
  readonly merchantId: string | undefined
  readonly rpc: string
  readonly kind: "command" | "query"
  readonly outcome: CallOutcome
  /** The tag of the error, if it ended with one. */
  readonly errorTag: string | undefined
  readonly seconds: number
}

/** A batch of commands that was committed. */
export interface EndedBatch {
  readonly merchantId: string
  readonly commands: number
  readonly seconds: number
  readonly entries: ReadonlyArray<Pick<EntryState, "reason" | "amount">>
}

/** Connections of one merchant's pool, and callers that wait for one. */
export interface PoolGauges {
  readonly inUse: number
  readonly idle: number
  readonly waiting: number
}

/** What is only known by asking a merchant's database. */
export interface DatabaseGauges {
  /** Whether it answers. */
  readonly up: boolean
  readonly accountsInDebt: number | undefined
  readonly jobs: ReadonlyArray<{
    readonly job: string
    readonly lastSuccessSeconds: number | undefined
    readonly failing: boolean
  }>
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

type Labels = Readonly<Record<string, string>>

/**
 * One family of series. A merchant's series are made once and kept: on the path of a command there is no merging of labels.
 */
class Family<M extends Metric.Metric<number, unknown>> {
  readonly #metric: M
  readonly #context: Context.Context<never>
  readonly #series = new Map<string, Metric.Metric<number, unknown>>()

  constructor(metric: M, context: Context.Context<never>) {
    this.#metric = metric
    this.#context = context
  }

  /** Adds to a counter, sets a gauge, or observes a value. */
  update(value: number, labels: Labels): void {
    const key = Object.values(labels).join("\n")
    let series = this.#series.get(key)
    if (series === undefined) {
      series = Metric.withAttributes(this.#metric, labels)
      this.#series.set(key, series)
    }
    series.updateUnsafe(value, this.#context)
  }
}

/**
 * What Prometheus is told at `/metrics`, per merchant. Names end in their unit; counters in `_total`.
 *
 * Labels are bounded: RPCs, outcomes, reasons and jobs are few and known, and beyond `METRICS_MAX_MERCHANTS` merchants share the
 * label `other`.
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    call(ended: EndedCall): void
    batch(ended: EndedBatch): void
    /** Begins a merchant's series, before anything has happened to it. */
    show(merchantId: string): void
    /** Has the depth of a merchant's queue asked for at each reading. */
    queue(merchantId: string, depth: () => number): void
    pool(merchantId: string, gauges: PoolGauges): void
    database(merchantId: string, gauges: DatabaseGauges): void
    /** Has `collect` set gauges right before each reading. */
    beforeReading(collect: Effect.Effect<void>): void
    /** Everything in Prometheus' text format. */
    readonly text: Effect.Effect<string>
  }
>()("@credit/server/telemetry/Metrics") {
  static readonly layer = Layer.effect(
    Metrics,
    Effect.map(Settings, ({ metricsMaximumMerchants, release }) => make(metricsMaximumMerchants, release))
  )
}

const make = (maximumMerchants: number, release: string): Metrics["Service"] => {
  // A registry of its own: not what the runtime counts for itself, and nothing of another service in the same process.
  const context = Context.make(Metric.MetricRegistry, new Map())
  const counter = (name: string, description: string) =>
    new Family(Metric.counter(name, { description, incremental: true }), context)
  const gauge = (name: string, description: string) => new Family(Metric.gauge(name, { description }), context)
  const seconds = (name: string, description: string) =>
    new Family(Metric.histogram(name, { description, boundaries: Metric.boundariesFromIterable(SECONDS) }), context)

  const calls = counter("calls_total", "Calls answered, by RPC and outcome")
  const callSeconds = seconds("call_duration_seconds", "Time from a call's arrival to its answer")
  const refusals = counter("refusals_total", "Calls that ended with an error, by its tag")
  const batches = counter("batches_total", "Batches of commands committed")
  const batchCommands = counter("batch_commands_total", "Commands in the batches committed")
  const batchSeconds = seconds("batch_duration_seconds", "Time a batch took, from its connection to its commit")
  const entries = counter("ledger_entries_total", "Ledger entries written by commands, by reason")
  const credits = counter("ledger_credits_total", "Credits those entries moved, as absolute amounts, by reason")
  const queueDepth = gauge("queue_depth", "Commands that wait for a batch")
  const connections = gauge("pool_connections", "Connections of the merchant's pool, by state; waiting are callers")
  const databaseUp = gauge("database_up", "1 while the merchant's database answers, 0 while it does not")
  const inDebt = gauge("accounts_in_debt", "Accounts whose balance is negative")
  const jobSuccess = gauge("job_last_success_timestamp_seconds", "When a job last ended well")
  const jobFailing = gauge("job_failing", "1 if the job's last run failed")
  const buildInfo = gauge("build_info", "Always 1; the label says which version runs")
  const cpu = new Family(
    Metric.counter("process_cpu_seconds_total", { description: "User and system CPU time of the process" }),
    context
  )
  const memory = gauge("process_resident_memory_bytes", "Resident memory of the process")
  buildInfo.update(1, { version: release })

  const known = new Set<string>()
  const label = (merchantId: string): string => {
    if (known.has(merchantId)) return merchantId
    if (known.size >= maximumMerchants) return "other"
    known.add(merchantId)
    return merchantId
  }

  const queues = new Map<string, () => number>()
  const collectors: Array<Effect.Effect<void>> = []
  let cpuTold = 0
  const tellProcess = () => {
    const { system, user } = process.cpuUsage()
    const used = (system + user) / 1e6
    cpu.update(used - cpuTold, {})
    cpuTold = used
    memory.update(process.memoryUsage.rss(), {})
  }

  return Metrics.of({
    call: ({ errorTag, kind, merchantId, outcome, rpc, seconds: took }) => {
      const merchant_id = merchantId === undefined ? "" : label(merchantId)
      calls.update(1, { merchant_id, rpc, outcome })
      callSeconds.update(took, { merchant_id, kind })
      if (errorTag !== undefined) refusals.update(1, { merchant_id, error: errorTag })
    },
    batch: ({ commands, entries: written, merchantId, seconds: took }) => {
      const merchant_id = label(merchantId)
      batches.update(1, { merchant_id })
      batchCommands.update(commands, { merchant_id })
      batchSeconds.update(took, { merchant_id })
      for (const { amount, reason } of written) {
        entries.update(1, { merchant_id, reason })
        credits.update(Math.abs(amount), { merchant_id, reason })
      }
    },
    show: (merchantId) => batches.update(0, { merchant_id: label(merchantId) }),
    queue: (merchantId, depth) => {
      queues.set(merchantId, depth)
    },
    pool: (merchantId, { idle, inUse, waiting }) => {
      const merchant_id = label(merchantId)
      connections.update(inUse, { merchant_id, state: "in_use" })
      connections.update(idle, { merchant_id, state: "idle" })
      connections.update(waiting, { merchant_id, state: "waiting" })
    },
    database: (merchantId, { accountsInDebt, jobs, up }) => {
      const merchant_id = label(merchantId)
      databaseUp.update(up ? 1 : 0, { merchant_id })
      if (accountsInDebt !== undefined) inDebt.update(accountsInDebt, { merchant_id })
      for (const { failing, job, lastSuccessSeconds } of jobs) {
        if (lastSuccessSeconds !== undefined) jobSuccess.update(lastSuccessSeconds, { merchant_id, job })
        jobFailing.update(failing ? 1 : 0, { merchant_id, job })
      }
    },
    beforeReading: (collect) => {
      collectors.push(collect)
    },
    text: Effect.suspend(() => {
      tellProcess()
      for (const [merchantId, depth] of queues) queueDepth.update(depth(), { merchant_id: label(merchantId) })
      return Effect.forEach(collectors, (collect) => collect, { discard: true, concurrency: "unbounded" })
    }).pipe(Effect.andThen(Effect.sync(() => PrometheusMetrics.formatUnsafe(context, { prefix: "credit" }))))
  })
}
