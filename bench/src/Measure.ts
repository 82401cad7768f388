import { setTimeout as sleep } from "node:timers/promises"
import type { Service } from "../../test/utils/Service.ts"
import { pin, unpin } from "./Affinity.ts"
import type { Ground } from "./Ground.ts"
import { commandsOf, type Job, type JobReport } from "./Job.ts"
import type { Merchant } from "./Merchants.ts"
import type { LoadScenario } from "./Scenario.ts"
import { advanceClock, runJobs } from "./SqlJobs.ts"
import { type Quantiles, quantiles } from "./Statistics.ts"
import {
  busySeconds,
  cpuSeconds,
  cpuSecondsOfTree,
  residentMebibytes,
  residentMebibytesOfTree,
  treeOf
} from "./Usage.ts"

/** Fewer callers than this come from one process. */
const SHARED_FROM = 16

/** Of the servers, PostgreSQL with all its backends, and the load. */
export interface PerPart {
  readonly server: number
  readonly postgres: number
  readonly load: number
}

/** One measurement of one scenario. */
export interface Measurement {
  readonly seconds: number
  readonly done: number
  readonly perSecond: number
  /** Milliseconds of a whole piece of work; with a pace, from the instant at which it was meant to begin. */
  readonly latency: Quantiles
  /** Likewise of each of its commands, where it has several. */
  readonly commands: Readonly<Record<string, Quantiles>>
  /** CPU seconds used in the time measured; `other` is the rest of the machine, which should be next to nothing. */
  readonly cpu: PerPart & { readonly other: number }
  /** In RAM at the end; what PostgreSQL's processes share is counted once. */
  readonly mebibytes: PerPart
  /** What else is to be said. */
  readonly note?: string
}

/** Something that should have worked did not: there is nothing to report. */
export class MeasurementFailed extends Error {
  override readonly name = "MeasurementFailed"
}

export interface Timing {
  readonly warmUp: number
  readonly seconds: number
  /** Whether it is the scenario's first time. */
  readonly first: boolean
  /** What `pairs@64` has just been measured with; the pace of open loops is a part of it. */
  readonly capacity: number
}

/** Where a scenario's work goes. */
const targetOf = (ground: Ground, scenario: LoadScenario) => {
  const servers = (...services: ReadonlyArray<Service | undefined>) => services.filter((it) => it !== undefined)
  if (scenario.kind === "echo") return { servers: [ground.echo], merchants: [ground.main] }
  if (scenario.merchants > 1) {
    return { servers: servers(ground.crowdService), merchants: ground.crowd.slice(0, scenario.merchants) }
  }
  const merchants = merchantOf(ground, scenario)
  return {
    servers: scenario.servers === 2 ? servers(ground.service, ground.second) : [ground.service],
    merchants: merchants === undefined ? [] : [merchants]
  }
}

const merchantOf = (ground: Ground, { entries, jobs }: LoadScenario): Merchant | undefined =>
  jobs ? ground.worked : entries === undefined ? ground.main : ground.grown.find(({ size }) => size === entries)

/** Warms up, then measures. */
export const measure = async (ground: Ground, scenario: LoadScenario, timing: Timing): Promise<Measurement> => {
  const { merchants, servers } = targetOf(ground, scenario)
  const [first] = merchants
  const [token, ...tokens] = merchants.map((merchant) => merchant.token)
  const [url, ...urls] = servers.map((server) => server.url)
  if (first === undefined || token === undefined || url === undefined) {
    throw new MeasurementFailed(`${scenario.name}: nothing was prepared for it`)
  }
  const pids = servers.map(({ process }) => process.pid ?? 0)
  const job: Omit<Job, "callers" | "from" | "until"> = {
    kind: scenario.kind,
    coalesce: scenario.coalesce,
    oneUser: scenario.oneUser,
    users: first.users,
    urls: [url, ...urls],
    tokens: [token, ...tokens],
    databaseUrl: first.database.ownerUrl
  }
  return pinned(ground, scenario, pids, async () => {
    // Once each, so that nothing that is measured waits for a first connection.
    if (timing.first) await runLoad(ground, { ...scenario, share: undefined }, 0, { ...job, from: 0, until: 0 })
    if (scenario.jobs) await advanceClock(first)
    const from = Date.now() + timing.warmUp * 1000
    const until = from + timing.seconds * 1000
    const jobs = scenario.jobs ? sleep(from - Date.now()).then(() => runJobs(first)) : undefined
    const running = runLoad(ground, scenario, timing.capacity, { ...job, from, until })
    const [reports, cpu] = await Promise.all([running, cpuBetween(ground, pids, from, until)])
    const note = [await jobs, refusals(reports)].filter((it) => it !== undefined).join("; ")
    return {
      ...summarise(scenario, timing.seconds, reports),
      cpu,
      mebibytes: {
        server: sum(pids.map(residentMebibytes)),
        postgres: residentMebibytesOfTree(ground.postgresPid),
        load: sum(ground.load.map(({ pid }) => residentMebibytes(pid)))
      },
      ...(note === "" ? {} : { note })
    }
  })
}

const runLoad = (
  ground: Ground,
  scenario: LoadScenario,
  capacity: number,
  job: Omit<Job, "callers">
): Promise<ReadonlyArray<JobReport>> => {
  const load = scenario.callers < SHARED_FROM ? ground.load.slice(0, 1) : ground.load
  const pace = scenario.share === undefined ? {} : { rate: (capacity * scenario.share) / load.length }
  return Promise.all(load.map((it) => it.run({ ...job, ...pace, callers: scenario.callers / load.length })))
}

const summarise = (scenario: LoadScenario, seconds: number, reports: ReadonlyArray<JobReport>) => {
  const failed = reports.find(({ failures }) => failures > 0)
  // What is refused of a pace that is too fast is told; where callers wait for their answers nothing is refused.
  if (failed !== undefined && scenario.share === undefined) {
    throw new MeasurementFailed(`${scenario.name}: ${failed.firstFailure}`)
  }
  const latencies = reports.flatMap((report) => report.latencies)
  if (latencies.length === 0) throw new MeasurementFailed(`${scenario.name}: nothing was done in ${seconds} s`)
  const commands = commandsOf(scenario.kind).map((name, index) => [
    name,
    quantiles(reports.flatMap((report) => report.commands[index] ?? []))
  ])
  return {
    seconds,
    done: latencies.length,
    perSecond: latencies.length / seconds,
    latency: quantiles(latencies),
    commands: Object.fromEntries(commands)
  }
}

const refusals = (reports: ReadonlyArray<JobReport>): string | undefined => {
  const failures = sum(reports.map((report) => report.failures))
  return failures === 0
    ? undefined
    : `${failures} failed, first: ${reports.find((it) => it.failures > 0)?.firstFailure}`
}

const cpuBetween = async (ground: Ground, servers: ReadonlyArray<number>, from: number, until: number) => {
  const usage = () => ({
    server: cpuSeconds(servers),
    postgres: cpuSecondsOfTree(ground.postgresPid),
    load: cpuSeconds(ground.load.map(({ pid }) => pid)),
    busy: busySeconds()
  })
  await sleep(from - Date.now())
  const before = usage()
  await sleep(until - Date.now())
  const after = usage()
  const cpu = {
    server: after.server - before.server,
    postgres: after.postgres - before.postgres,
    load: after.load - before.load
  }
  return { ...cpu, other: after.busy - before.busy - cpu.server - cpu.postgres - cpu.load }
}

/** Runs with everything that works in a scenario on the cores it names. */
const pinned = async <A>(
  ground: Ground,
  { cores }: LoadScenario,
  servers: ReadonlyArray<number>,
  run: () => Promise<A>
): Promise<A> => {
  if (cores === "all") return run()
  const everyone = () => [...servers, ...treeOf(ground.postgresPid), ...ground.load.map(({ pid }) => pid)]
  pin(everyone(), [0])
  if (cores === "apart") pin(servers.slice(1), [1])
  try {
    return await run()
  } finally {
    unpin(everyone())
  }
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
