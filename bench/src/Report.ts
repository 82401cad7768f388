import { commandsOf } from "./Job.ts"
import { renderMachine } from "./Machine.ts"
import type { PerPart } from "./Measure.ts"
import { type LoadRow, middle, notesOf, type ProbeRow, type Results } from "./Results.ts"
import { median } from "./Statistics.ts"
import { type Target, targetsOf } from "./Targets.ts"

/** Lines of cells; the first is the header. */
type Table = ReadonlyArray<ReadonlyArray<string>>

const LOADS = [
  "scenario",
  "callers",
  "per second [min–max]",
  "p50 / p99 ms",
  "Open p50 / p99",
  "Close p50 / p99",
  "CPU server/pg/load",
  "other",
  "MiB server/pg/load"
]

/** One line per scenario; times are medians over the rounds, CPU in cores. */
const loadTable = (rows: ReadonlyArray<LoadRow>): Table => [LOADS, ...rows.map(loadCells)]

const loadCells = (row: LoadRow): ReadonlyArray<string> => {
  const { scenario } = row
  const quantile = (
    of: (it: LoadRow["rounds"][number]) => { readonly p50: number; readonly p99: number } | undefined
  ) =>
    `${middle(row, (it) => of(it)?.p50 ?? Number.NaN).toFixed(1)} / ${middle(row, (it) => of(it)?.p99 ?? Number.NaN).toFixed(1)}`
  const [open, close] = commandsOf(scenario.kind)
  const perSecond = (it: LoadRow["rounds"][number]) => it.perSecond
  return [
    scenario.name,
    scenario.share === undefined ? `${scenario.callers}` : "open loop",
    spread(row.rounds.map(perSecond), whole),
    quantile((it) => it.latency),
    open === undefined ? "" : quantile((it) => it.commands[open]),
    close === undefined ? "" : quantile((it) => it.commands[close]),
    parts((part) => middle(row, (it) => it.cpu[part] / it.seconds).toFixed(2)),
    middle(row, (it) => it.cpu.other / it.seconds).toFixed(2),
    parts((part) => whole(middle(row, (it) => it.mebibytes[part])))
  ]
}

const parts = (text: (part: keyof PerPart) => string) => (["server", "postgres", "load"] as const).map(text).join("/")

const probeTable = (rows: ReadonlyArray<ProbeRow>): Table => [
  ["measured once a round", "median [min–max]"],
  ...rows.map(({ rounds, scenario }) => [
    scenario.name,
    `${spread(
      rounds.map(({ value }) => value),
      (value) => value.toFixed(2)
    )} ${scenario.unit}`
  ])
]

const targetTable = (targets: ReadonlyArray<Target>): Table => [
  ["target", "wanted", "reached", "measured"],
  ...targets.map(({ measured, name, reached, wanted }) => [
    name,
    wanted,
    reached === undefined ? "?" : reached ? "yes" : "NO",
    measured
  ])
]

const spread = (values: ReadonlyArray<number>, text: (value: number) => string) =>
  `${text(median(values))} [${text(Math.min(...values))}–${text(Math.max(...values))}]`

const whole = (value: number) => Math.round(value).toLocaleString("en")

const tablesOf = (results: Results): ReadonlyArray<Table> =>
  [loadTable(results.loads), probeTable(results.probes), targetTable(targetsOf(results))].filter(
    (table) => table.length > 1
  )

const howLong = ({ rounds, seconds }: Results) =>
  `${rounds} rounds of ${seconds} s each; medians; CPU in cores; Close is RecordAndClose`

/** What a run found out, for a terminal. */
export const renderText = (results: Results): string =>
  [
    `${renderMachine(results.machine)}\n${howLong(results)}`,
    ...tablesOf(results).map(aligned),
    [...notesOf(results), results.verified].join("\n")
  ].join("\n\n")

const aligned = (table: Table): string => {
  const columns = table[0]?.length ?? 0
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...table.map((line) => line[column]?.length ?? 0))
  )
  const numbers = columns > 4
  return table
    .map((line) =>
      line
        .map((cell, column) =>
          column > 0 && numbers ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
        )
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** What a run found out, as a part of a document; the picture is beside it. */
export const renderMarkdown = (results: Results, picture: string): string =>
  [
    `${renderMachine(results.machine)}. ${results.at.slice(0, 10)}, \`${results.command}\`: ${howLong(results)}.`,
    `![Paces of the scenarios](${picture})`,
    ...tablesOf(results).map(piped),
    [...notesOf(results), results.verified].map((note) => `- ${note}`).join("\n")
  ].join("\n\n")

const piped = (table: Table): string => {
  const [header = [], ...lines] = table
  const numbers = header.length > 4
  const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [
    row(header),
    row(header.map((_, column) => (numbers && column > 0 ? "---:" : "---"))),
    ...lines.map(row)
  ].join("\n")
}

const BEGIN = "<!-- written by npm run bench: begin -->"
const END = "<!-- written by npm run bench: end -->"

/** A document with its marked section replaced; `undefined` if it has none. */
export const withSection = (document: string, section: string): string | undefined => {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)]
  if (begin === -1 || end < begin) return undefined
  return `${document.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${document.slice(end)}`
}
