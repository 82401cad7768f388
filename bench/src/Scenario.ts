import type { Job } from "./Job.ts"

/** Which cores a scenario's processes run on. */
export type Cores =
  /** Wherever the system puts them. */
  | "all"
  /** All of them on the first core. */
  | "one"
  /** All on the first core, but the second server: it has the second core to itself. */
  | "apart"

/** Load on the service, or on what it is compared with: one row of the table. */
export interface LoadScenario {
  readonly name: string
  /** What `--scenario` chooses it by. */
  readonly group: Group
  readonly kind: Job["kind"]
  readonly callers: number
  /** Open loop: work comes at this part of the pace that `pairs@64` has just been measured with. */
  readonly share?: number | undefined
  readonly coalesce: boolean
  readonly oneUser: boolean
  /** How many merchants share the load. */
  readonly merchants: number
  /** How many entries its ledger began with, where that is what is measured. */
  readonly entries?: number
  /** Whether the database's jobs run meanwhile. */
  readonly jobs: boolean
  readonly servers: 1 | 2
  readonly cores: Cores
}

/** What is measured but a pace: seconds or MiB. */
export interface Probe {
  readonly name: "cold-start" | "first-start" | "idle-merchants"
  readonly group: Group
  readonly unit: "s" | "MiB"
}

export type Scenario = LoadScenario | Probe

export const isLoad = (scenario: Scenario): scenario is LoadScenario => "kind" in scenario

/** What stands for a scenario in tables and on the command line. */
export const titleOf = (scenario: Scenario): string =>
  isLoad(scenario) && scenario.share === undefined ? `${scenario.name}@${scenario.callers}` : scenario.name

/** What `--scenario` chooses from, and what each of them is. */
export const groups = {
  pairs:
    "Operation.Open with an estimate, then RecordAndClose, one call per HTTP request, at 1, 16, 64 and 256 callers",
  coalesced: "the same through the client that sends waiting calls together",
  paced: "the same as an open loop: work comes at random instants at half and at 80 % of what 64 callers get done",
  "hot-user": "the same, all on one user",
  merchants: "the same over 10 and 100 merchants",
  jobs: "the same while the database's jobs run",
  servers: "the same with a second server process",
  floor: "the writes and guards of a pair without HTTP: SQL functions, a transaction each, on 16 connections",
  purchases: "Purchase.Settled",
  reads: "a balance, and a page of history",
  echo: "the HTTP and RPC stack with nothing behind it",
  growth: "pairs, balances and pages of history on ledgers of the sizes of --growth",
  start: "cold starts to the first answer: of a server, and of everything on a machine where it never ran",
  idle: "what a merchant costs a server in memory that was served and has gone quiet"
} as const

export type Group = keyof typeof groups

const load = (
  group: Group,
  name: string,
  kind: Job["kind"],
  callers: number,
  options: Partial<LoadScenario> = {}
): LoadScenario => ({
  name,
  group,
  kind,
  callers,
  coalesce: false,
  oneUser: false,
  merchants: 1,
  jobs: false,
  servers: 1,
  cores: "all",
  ...options
})

/** 1000000 as `1e6`: the names of sizes. */
const sizeName = (entries: number) => entries.toExponential().replace("+", "")

/** All scenarios, in the order in which a round runs them, for ledgers of these sizes and up to so many merchants. */
export const makeScenarios = (sizes: ReadonlyArray<number>, mostMerchants: number): ReadonlyArray<Scenario> => [
  ...[1, 16, 64, 256].map((callers) => load("pairs", "pairs", "pairs", callers)),
  load("floor", "floor", "floor", 16),
  load("coalesced", "pairs-coalesced", "pairs", 64, { coalesce: true }),
  load("paced", "pairs-paced-50%", "pairs", 64, { share: 0.5 }),
  load("paced", "pairs-paced-80%", "pairs", 64, { share: 0.8 }),
  load("hot-user", "pairs-hot-user", "pairs", 64, { oneUser: true }),
  ...[10, 100]
    .map((count) => Math.min(count, mostMerchants))
    .filter((count, index, all) => all.indexOf(count) === index)
    .map((count) => load("merchants", `pairs-${count}-merchants`, "pairs", 64, { merchants: count })),
  load("jobs", "pairs-with-jobs", "pairs", 64, { jobs: true }),
  load("servers", "pairs-2-servers", "pairs", 64, { servers: 2 }),
  load("servers", "pairs-on-1-core", "pairs", 64, { cores: "one" }),
  load("servers", "pairs-2nd-server-on-2nd-core", "pairs", 64, { servers: 2, cores: "apart" }),
  load("purchases", "purchases", "purchases", 64),
  load("reads", "balance", "balance", 64),
  load("reads", "history", "history", 64),
  load("echo", "echo", "echo", 64),
  ...(["pairs", "balance", "history"] as const).flatMap((kind) =>
    sizes.map((entries) => load("growth", `${kind}-of-${sizeName(entries)}`, kind, 64, { entries }))
  ),
  { name: "cold-start", group: "start", unit: "s" },
  { name: "first-start", group: "start", unit: "s" },
  { name: "idle-merchants", group: "idle", unit: "MiB" }
]
