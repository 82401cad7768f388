import { type LoadRow, middle, paceOf, type Results } from "./Results.ts"
import { titleOf } from "./Scenario.ts"
import { median } from "./Statistics.ts"

/** What the service shall reach, and whether it did. */
export interface Target {
  readonly name: string
  readonly wanted: string
  readonly measured: string
  /** `undefined` where it cannot be judged; `measured` says why. */
  readonly reached: boolean | undefined
}

/** Every target whose scenarios were measured. Figures are medians over the rounds, ratios those of medians. */
export const targetsOf = (results: Results): ReadonlyArray<Target> => {
  const { loads } = results
  const pace = (title: string) => paceOf(loads, title)
  return [
    ratio("pairs@64 / floor", pace("pairs@64"), pace("floor@16"), 0.8),
    ratio("pairs-coalesced@64 / floor", pace("pairs-coalesced@64"), pace("floor@16"), 1.5),
    ...["Open", "RecordAndClose"].map((command) =>
      below(`p99 of ${command} at 16 callers`, commandQuantile(loads, command), 20, "ms")
    ),
    below("a lone pair, median", latency(loads, "pairs@1"), 4, "ms"),
    ratio("balance@64 / echo@64", pace("balance@64"), pace("echo@64"), 0.8),
    ...growth(results),
    ratio("one hot user / many users", pace("pairs-hot-user@64"), pace("pairs@64"), 0.5),
    below("an idle merchant's memory", reading(results, "idle-merchants"), 1, "MiB"),
    below("cold start to the first answer", reading(results, "cold-start"), 5, "s"),
    below("first start of all to the first answer", reading(results, "first-start"), 5, "s"),
    secondServer(results)
  ].filter((it) => it !== undefined)
}

const ratio = (name: string, value: number, base: number, least: number): Target | undefined =>
  Number.isFinite(value / base)
    ? { name, wanted: `≥ ${least}`, measured: (value / base).toFixed(2), reached: value / base >= least }
    : undefined

const below = (name: string, value: number, limit: number, unit: string): Target | undefined =>
  Number.isFinite(value)
    ? { name, wanted: `< ${limit} ${unit}`, measured: `${value.toFixed(2)} ${unit}`, reached: value < limit }
    : undefined

const rowOf = (rows: ReadonlyArray<LoadRow>, title: string) => rows.find(({ scenario }) => titleOf(scenario) === title)

const latency = (rows: ReadonlyArray<LoadRow>, title: string): number => {
  const row = rowOf(rows, title)
  return row === undefined ? Number.NaN : middle(row, (it) => it.latency.p50)
}

const commandQuantile = (rows: ReadonlyArray<LoadRow>, command: string): number => {
  const row = rowOf(rows, "pairs@16")
  return row === undefined ? Number.NaN : middle(row, (it) => it.commands[command]?.p99 ?? Number.NaN)
}

const reading = ({ probes }: Results, name: string): number => {
  const row = probes.find(({ scenario }) => scenario.name === name)
  return row === undefined ? Number.NaN : median(row.rounds.map(({ value }) => value))
}

/** The largest ledger against the smallest. */
const growth = ({ loads }: Results): ReadonlyArray<Target | undefined> =>
  (["pairs", "balance", "history"] as const).map((kind) => {
    const rows = loads
      .filter(({ scenario }) => scenario.group === "growth" && scenario.kind === kind)
      .toSorted((a, b) => (a.scenario.entries ?? 0) - (b.scenario.entries ?? 0))
    const [smallest, largest] = [rows[0], rows.at(-1)]
    if (smallest === undefined || largest === undefined || smallest === largest) return undefined
    const rate = (row: LoadRow) => middle(row, (it) => it.perSecond)
    const name = `${largest.scenario.name} / ${smallest.scenario.name.replace(`${kind}-`, "")}`
    return ratio(name, rate(largest), rate(smallest), 0.9)
  })

/** A core that nobody uses with one server is what a second one could work on. */
const secondServer = ({ loads, machine }: Results): Target | undefined => {
  const alone = rowOf(loads, "pairs@64")
  const both = paceOf(loads, "pairs-2-servers@64")
  if (alone === undefined || Number.isNaN(both)) return undefined
  const busy = ({ cpu, seconds }: LoadRow["rounds"][number]) =>
    (cpu.server + cpu.postgres + cpu.load + cpu.other) / seconds
  const free = machine.cores - middle(alone, busy)
  const gain = both / paceOf(loads, "pairs@64") - 1
  const pinned = paceOf(loads, "pairs-2nd-server-on-2nd-core@64") / paceOf(loads, "pairs-on-1-core@64") - 1
  const percent = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value * 100).toFixed(0)} %`
  const judged = free >= 0.9
  const why = judged
    ? ""
    : `; no core is free here: ${Math.max(0, free).toFixed(1)} of ${machine.cores} cores idle with one server`
  const onOwnCore = Number.isFinite(pinned)
    ? `; with all else on one core, a second server on a core of its own adds ${percent(pinned)}`
    : ""
  return {
    name: "a second server process adds",
    wanted: "≥ 60 % where a core is free",
    measured: `${percent(gain)}${why}${onOwnCore}`,
    reached: judged ? gain >= 0.6 : undefined
  }
}
