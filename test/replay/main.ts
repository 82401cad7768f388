import { readFileSync } from "node:fs"
import { CreditClient } from "@credit/client"
import * as Effect from "effect/Effect"
import { type Arguments, readArguments, USAGE } from "./Arguments.ts"
import { type Plan, plan } from "./Plan.ts"
import { Progress } from "./Progress.ts"
import { ask, differences, renderRun, renderStanding } from "./Report.ts"
import { type Run, run } from "./Run.ts"
import { UsageError } from "./Target.ts"
import { parseTrace, TraceError, type TraceRequest } from "./Trace.ts"

const readTrace = (file: string): ReadonlyArray<TraceRequest> => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch {
    throw new UsageError(`Cannot read ${file}`)
  }
  return parseTrace(text, Date.now())
}

/** Runs a plan, shows how it went, and tells the exit code. */
const replay = Effect.fn("replay")(function* (all: Plan, given: Arguments, interrupted: () => boolean) {
  const progress = new Progress(all.requests, process.stderr, performance.now())
  const result = yield* run(all, {
    concurrency: given.concurrency,
    interrupted,
    onRequest: ({ requests }) => progress.update(requests, performance.now())
  })
  progress.end()
  if (result.stopped === "other plan") {
    console.error(`Seed ${given.seed} was used before with another trace or number of users: give another --seed`)
    return 2
  }
  if (result.answers > 0) console.log(renderRun(all, result))
  if (result.stopped !== undefined) return stopped(result)
  const standings = yield* ask(all, given.concurrency)
  console.log(`\n${renderStanding(all, standings)}\n`)
  const wrong = [...result.problems, ...differences(all, standings)]
  if (wrong.length === 0) {
    console.log("Every cost, hold and balance is as planned.")
    return 0
  }
  console.log([`NOT AS PLANNED (${wrong.length}):`, ...wrong.slice(0, 20)].join("\n"))
  return 5
})

const stopped = ({ problems, stopped }: Run): number => {
  for (const problem of problems.slice(0, 20)) console.log(problem)
  if (typeof stopped === "object") console.error(`Stopped: ${stopped.reason}`)
  console.log("Not finished. The same command goes on where this ended and changes nothing twice.")
  return stopped === "interrupted" ? 130 : 1
}

const main = async (): Promise<number> => {
  let interruptions = 0
  process.on("SIGINT", () => {
    interruptions += 1
    if (interruptions > 1) process.exit(130)
  })
  try {
    const given = readArguments(process.argv.slice(2), process.env)
    if (given === "help") {
      console.log(USAGE)
      return 0
    }
    const trace = readTrace(given.file)
    return await replay(plan(trace, given), given, () => interruptions > 0).pipe(
      Effect.catch((error) => {
        console.error(`The service did not answer in the end: ${error.message}`)
        return Effect.succeed(1)
      }),
      Effect.provide(CreditClient.layer({ baseUrl: given.target.url, token: given.target.token })),
      Effect.runPromise
    )
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof TraceError)) throw error
    console.error(error.message)
    return 2
  }
}

process.exitCode = await main()
