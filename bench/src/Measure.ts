import { setTimeout as sleep } from "node:timers/promises"
import { type Ground, USERS } from "./Ground.ts"
import type { Job } from "./Job.ts"
import type { Scenario } from "./Scenario.ts"
import { busySeconds, cpuSeconds, cpuSecondsOfTree, residentMebibytes } from "./Usage.ts"

/** Fewer callers than this come from one process. */
const SHARED_FROM = 16

/** One measurement of one scenario. */
export interface Measurement {
  readonly seconds: number
  readonly done: number
  readonly perSecond: number
  readonly p50Millis: number
  readonly p99Millis: number
  /** CPU seconds used in the time measured; `other` is the rest of the machine, which should be next to nothing. */
  readonly cpu: { readonly server: number; readonly postgres: number; readonly load: number; readonly other: number }
  readonly serverMebibytes: number
}

/** Something that should have worked did not: there is nothing to report. */
export class MeasurementFailed extends Error {
  override readonly name = "MeasurementFailed"
}

/** Warms up, then measures. A piece of work counts if it ended in the time measured. */
export const measure = async (
  ground: Ground,
  scenario: Scenario,
  time: { readonly warmUp: number; readonly seconds: number }
): Promise<Measurement> => {
  const server = scenario.kind === "echo" ? ground.echo : ground.service
  const from = Date.now() + time.warmUp * 1000
  const until = from + time.seconds * 1000
  const load = scenario.callers < SHARED_FROM ? ground.load.slice(0, 1) : ground.load
  const job: Omit<Job, "callers"> = {
    kind: scenario.kind,
    coalesce: scenario.coalesce,
    oneUser: scenario.oneUser,
    users: USERS,
    from,
    until,
    url: server.url,
    token: ground.token,
    databaseUrl: ground.ownerUrl
  }
  const running = Promise.all(load.map((it) => it.run({ ...job, callers: scenario.callers / load.length })))
  const usage = () => ({
    server: cpuSeconds([server.process.pid ?? 0]),
    postgres: cpuSecondsOfTree(ground.postgresPid),
    load: cpuSeconds(ground.load.map(({ pid }) => pid)),
    busy: busySeconds()
  })
  const measured = async () => {
    await sleep(from - Date.now())
    const before = usage()
    await sleep(until - Date.now())
    return { before, after: usage() }
  }
  const [reports, { after, before }] = await Promise.all([running, measured()])
  const failed = reports.find(({ failures }) => failures > 0)
  if (failed !== undefined) throw new MeasurementFailed(`${scenario.name}: ${failed.firstFailure}`)
  const latencies = reports.flatMap((report) => report.latencies).toSorted((a, b) => a - b)
  if (latencies.length === 0) throw new MeasurementFailed(`${scenario.name}: nothing was done in ${time.seconds} s`)
  const cpu = {
    server: after.server - before.server,
    postgres: after.postgres - before.postgres,
    load: after.load - before.load
  }
  return {
    seconds: time.seconds,
    done: latencies.length,
    perSecond: latencies.length / time.seconds,
    p50Millis: quantile(latencies, 0.5),
    p99Millis: quantile(latencies, 0.99),
    cpu: { ...cpu, other: after.busy - before.busy - cpu.server - cpu.postgres - cpu.load },
    serverMebibytes: residentMebibytes(server.process.pid ?? 0)
  }
}

/** The least of sorted values that at least this part of them does not exceed. */
const quantile = (sorted: ReadonlyArray<number>, part: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
