import { parseArgs } from "node:util"
import { type Scenario, scenarios } from "./Scenario.ts"

const names = [...new Set(scenarios.map(({ name }) => name))]

export const USAGE = `Measures the service on a PostgreSQL of its own, durable, with load from other processes of this machine.

  npm run bench -- [options]

  --seconds N       how long each measurement takes (3)
  --rounds N        how often each scenario is measured, in turn with the others (3)
  --scenario NAME…  only these: ${names.join(", ")}
  --json FILE       also write everything measured there
  --smoke           half a second each, one round: whether it runs`

/** The command line asks for what cannot be; the message is one line for people. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** What the command line asks for. */
export interface Arguments {
  readonly seconds: number
  readonly rounds: number
  readonly scenarios: ReadonlyArray<Scenario>
  readonly json: string | undefined
}

/** Reads the command line. Throws a {@link UsageError} for what cannot be. */
export const readArguments = (argv: ReadonlyArray<string>): Arguments | "help" => {
  const { positionals, values } = parseOrExplain(argv)
  if (values.help === true) return "help"
  const wanted = [...(values.scenario ?? []), ...positionals]
  const unknown = wanted.filter((name) => !names.includes(name))
  if (unknown.length > 0) throw new UsageError(`No scenario ${unknown.join(", ")}; there are ${names.join(", ")}`)
  return {
    seconds: values.smoke === true ? 0.5 : positive("seconds", values.seconds ?? "3"),
    rounds: values.smoke === true ? 1 : Math.ceil(positive("rounds", values.rounds ?? "3")),
    scenarios: scenarios.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
    json: values.json
  }
}

const parseOrExplain = (argv: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        seconds: { type: "string" },
        rounds: { type: "string" },
        scenario: { type: "string", multiple: true },
        json: { type: "string" },
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
