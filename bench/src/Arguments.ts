import { parseArgs } from "node:util"
import { allowedCores } from "./Affinity.ts"
import { type Group, groups, isLoad, makeScenarios, type Scenario, titleOf } from "./Scenario.ts"

const isGroup = (name: string): name is Group => name in groups

const names = Object.keys(groups)

export const USAGE = `Measures the service on a PostgreSQL of its own, durable, with load from other processes of this machine.

  npm run bench -- [options] [NAME…]

  --rounds N        how often each scenario is measured, in turn with the others (5)
  --seconds N       how long each measurement takes (2)
  --scenario NAME…  only these
  --growth N,…      the sizes of the ledgers of the scenario growth (1e4,1e6; 1e7 loads for some ten minutes first)
  --json FILE       also writes everything measured there
  --svg FILE        also draws it there
  --markdown FILE   also writes it into the marked section of this document, and draws it beside it
  --smoke           every scenario for a moment, in a minute: whether it runs

${Object.entries(groups)
  .map(([name, meaning]) => `  ${name.padEnd(12)}${meaning}`)
  .join("\n")}`

/** The command line asks for what cannot be; the message is one line for people. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** What the command line asks for. */
export interface Arguments {
  readonly seconds: number
  readonly rounds: number
  /** Whether a round is run and thrown away before those that count. */
  readonly warmUp: boolean
  readonly scenarios: ReadonlyArray<Scenario>
  /** How many merchants one server is measured with at most. */
  readonly crowd: number
  readonly json: string | undefined
  readonly svg: string | undefined
  readonly markdown: string | undefined
}

/** Reads the command line. Throws a {@link UsageError} for what cannot be. */
export const readArguments = (argv: ReadonlyArray<string>): Arguments | "help" => {
  const { positionals, values } = parseOrExplain(argv)
  if (values.help === true) return "help"
  const smoke = values.smoke === true
  const wanted = [...(values.scenario ?? []), ...positionals]
  const unknown = wanted.filter((name) => !isGroup(name))
  if (unknown.length > 0) throw new UsageError(`No scenario ${unknown.join(", ")}; there are ${names.join(", ")}`)
  const crowd = smoke ? 4 : 100
  const sizes = (values.growth ?? (smoke ? "1e3,1e4" : "1e4,1e6")).split(",").map(sizeOf)
  return {
    seconds: smoke ? 0.5 : positive("seconds", values.seconds ?? "2"),
    rounds: smoke ? 1 : Math.ceil(positive("rounds", values.rounds ?? "5")),
    warmUp: !smoke,
    scenarios: chosen(makeScenarios(sizes, crowd), new Set(wanted)),
    crowd,
    json: values.json,
    svg: values.svg,
    markdown: values.markdown
  }
}

const chosen = (all: ReadonlyArray<Scenario>, wanted: ReadonlySet<string>): ReadonlyArray<Scenario> =>
  all.filter((scenario) => {
    // Not where there is no second core to give to somebody.
    if (isLoad(scenario) && scenario.cores === "apart" && allowedCores().length < 2) return false
    if (wanted.size === 0 || wanted.has(scenario.group)) return true
    // What these are measured against.
    return (
      titleOf(scenario) === "pairs@64" && ["paced", "servers", "hot-user", "coalesced"].some((it) => wanted.has(it))
    )
  })

const parseOrExplain = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        seconds: { type: "string" },
        rounds: { type: "string" },
        scenario: { type: "string", multiple: true },
        growth: { type: "string" },
        json: { type: "string" },
        svg: { type: "string" },
        markdown: { type: "string" },
        smoke: { type: "boolean" },
        help: { type: "boolean" }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (!(value > 0 && value <= 3600)) throw new UsageError(`--${name} must be a number above 0, not ${text}`)
  return value
}

const sizeOf = (text: string): number => {
  const size = Number(text)
  if (!(Number.isInteger(size) && size >= 1000 && size <= 1e8)) {
    throw new UsageError(`--growth takes numbers of entries from 1e3 to 1e8, with commas between them, not ${text}`)
  }
  return size
}
