import type { Measurement } from "./Measure.ts"
import type { Scenario } from "./Scenario.ts"

/** A scenario with what its rounds measured. */
export interface Row {
  readonly scenario: Scenario
  readonly rounds: ReadonlyArray<Measurement>
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

const of = (row: Row, value: (it: Measurement) => number) => row.rounds.map(value)
const middleOf = (row: Row, value: (it: Measurement) => number) => median(of(row, value))

const HEADER = [
  "scenario",
  "callers",
  "per second [min–max]",
  "p50 ms",
  "p99 ms",
  "CPU server/pg/load",
  "other",
  "server MiB"
]

/** One line per scenario. Times are medians over the rounds; CPU is in cores: CPU seconds per second measured. */
export const renderTable = (rows: ReadonlyArray<Row>): string => {
  const lines = [HEADER, ...rows.map(cells)]
  const widths = HEADER.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
    )
    .join("\n")
}

const cells = (row: Row): ReadonlyArray<string> => {
  const rates = of(row, (it) => it.perSecond)
  const cores = (of: keyof Measurement["cpu"]) => middleOf(row, ({ cpu, seconds }) => cpu[of] / seconds).toFixed(2)
  return [
    row.scenario.name,
    `${row.scenario.callers}`,
    `${whole(median(rates))} [${whole(Math.min(...rates))}–${whole(Math.max(...rates))}]`,
    middleOf(row, (it) => it.p50Millis).toFixed(2),
    middleOf(row, (it) => it.p99Millis).toFixed(2),
    `${cores("server")}/${cores("postgres")}/${cores("load")}`,
    cores("other"),
    whole(middleOf(row, (it) => it.serverMebibytes))
  ]
}

const whole = (value: number) => Math.round(value).toLocaleString("en")

/** What stands to what, by name: medians over medians, where both were measured. */
export const ratios = (rows: ReadonlyArray<Row>): ReadonlyArray<{ readonly name: string; readonly value: number }> => {
  const rate = (name: string, callers: number) => {
    const row = rows.find(({ scenario }) => scenario.name === name && scenario.callers === callers)
    return row === undefined ? Number.NaN : middleOf(row, (it) => it.perSecond)
  }
  const floor = rate("floor", 16)
  return [
    { name: "pairs@64 / floor", value: rate("pairs", 64) / floor },
    { name: "pairs-coalesced@64 / floor", value: rate("pairs-coalesced", 64) / floor },
    { name: "reads@64 / echo@64", value: rate("reads", 64) / rate("echo", 64) }
  ].filter(({ value }) => Number.isFinite(value))
}
