import { parseArgs } from "node:util"
import { findTarget, type Target, UsageError } from "./Target.ts"

export const USAGE = `Replays a trace of LLM requests against the service, and checks every credit.

  npm run replay -- FILE.csv [options]

FILE.csv has the columns TIMESTAMP, ContextTokens, GeneratedTokens. Its requests are spread over users, who buy packs as
they run out; each request is an operation of llm_tokens with an estimate and then what it used.

  --users N         over how many users (200)
  --concurrency N   how many requests at a time (64)
  --seed N          another spread, other users (1)
  --url URL         the service (what npm start left in .credit/embedded.json)
  --token TOKEN     an app token (likewise)
  --merchant ID     whose token to take from there (demo)

Interrupted and run again with the same file, users and seed, it goes on and changes nothing twice (for 7 days).
Ends with 0 if the service agrees with the plan in every credit, 5 if not, 2 for a wrong call, 1 if it could not finish.`

/** What the command line asks for. */
export interface Arguments {
  readonly file: string
  readonly users: number
  readonly concurrency: number
  readonly seed: number
  readonly target: Target
}

/** Reads the command line. Throws a {@link UsageError} for what cannot be. */
export const readArguments = (
  argv: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>
): Arguments | "help" => {
  const { positionals, values } = parseOrExplain(argv)
  if (values.help === true) return "help"
  const [file, ...more] = positionals
  if (file === undefined || more.length > 0) throw new UsageError("Give one trace file, or --help")
  const { merchant = "demo", token, url } = values
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url))) {
    throw new UsageError(`--url must be an http:// or https:// address, not ${url}`)
  }
  return {
    file,
    users: wholeNumber("users", values.users ?? "200", 1, 100_000),
    concurrency: wholeNumber("concurrency", values.concurrency ?? "64", 1, 10_000),
    seed: wholeNumber("seed", values.seed ?? "1", 0, 2 ** 32 - 1),
    target: findTarget({ url, token, merchant }, environment)
  }
}

const parseOrExplain = (argv: ReadonlyArray<string>) => {
  const text = { type: "string" } as const
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        users: text,
        concurrency: text,
        seed: text,
        url: text,
        token: text,
        merchant: text,
        help: { type: "boolean", short: "h" }
      }
    })
  } catch (error) {
    const [said] = `${error instanceof Error ? error.message : error}`.split("\n")
    throw new UsageError(`${said} See --help`)
  }
}

const wholeNumber = (name: string, value: string, minimum: number, maximum: number): number => {
  const number = Number(value)
  if (!/^\d{1,10}$/.test(value) || number < minimum || number > maximum) {
    throw new UsageError(`--${name} must be a whole number from ${minimum} to ${maximum}, not ${value}`)
  }
  return number
}
