import { readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { type Arguments, readArguments, USAGE, UsageError } from "./Arguments.ts"
import { renderChart } from "./Chart.ts"
import { makeGround } from "./Ground.ts"
import { describeMachine, loadNow } from "./Machine.ts"
import { MeasurementFailed } from "./Measure.ts"
import { renderMarkdown, renderText, withSection } from "./Report.ts"
import type { Results } from "./Results.ts"
import { measureAll } from "./Rounds.ts"
import { targetsOf } from "./Targets.ts"
import { verify } from "./Verify.ts"

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/** Writes what was asked for. The document was looked at before: half an hour later is late to find no place in it. */
const report = (results: Results, { json, markdown, svg }: Arguments): void => {
  process.stdout.write(`${renderText(results)}\n`)
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ ...results, targets: targetsOf(results) }, undefined, 2)}\n`)
  }
  const chart = renderChart(results)
  if (svg !== undefined) writeFileSync(svg, chart)
  if (markdown !== undefined) {
    const picture = markdown.replace(/(\.md)?$/, ".svg")
    writeFileSync(picture, chart)
    writeFileSync(markdown, sectioned(markdown, renderMarkdown(results, basename(picture))))
  }
}

const sectioned = (path: string, section: string): string => {
  const document = withSection(readFileSync(path, "utf8"), section)
  if (document === undefined) throw new UsageError(`${path} has no section marked for what is measured`)
  return document
}

const bench = Effect.fnUntraced(function* (given: Arguments) {
  const { markdown } = given
  if (markdown !== undefined) yield* Effect.try({ try: () => sectioned(markdown, ""), catch: (error) => error })
  const loadBefore = loadNow()
  const ground = yield* makeGround(given.scenarios, given.crowd, progress)
  const machine = yield* Effect.promise(() => describeMachine(ground, loadBefore))
  const measured = yield* measureAll(ground, given, progress)
  progress("verifying the ledgers")
  const verified = yield* verify(ground)
  progress("")
  const results: Results = {
    machine,
    command: ["npm run bench --", ...process.argv.slice(2)].join(" "),
    at: new Date().toISOString(),
    seconds: given.seconds,
    rounds: given.rounds,
    ...measured,
    loaded: ground.grown.map(({ entries, entriesPerSecond, users }) => ({ entries, entriesPerSecond, users })),
    verified
  }
  report(results, given)
}, Effect.scoped)

const main = Effect.gen(function* () {
  const given = yield* Effect.try({ try: () => readArguments(process.argv.slice(2)), catch: (error) => error })
  if (given === "help") return yield* Effect.sync(() => process.stdout.write(`${USAGE}\n`))
  return yield* bench(given)
})

/** A measurement that did not come about is no success; an interrupt has nothing to explain. */
const explain = (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    if (Cause.hasInterruptsOnly(cause)) return
    const error = Cause.squash(cause)
    const known = error instanceof UsageError || error instanceof MeasurementFailed
    process.stderr.write(`${known ? error.message : Cause.pretty(cause)}\n`)
  })

NodeRuntime.runMain(main.pipe(Effect.tapCause(explain), Effect.provideService(References.MinimumLogLevel, "Warn")), {
  disableErrorReporting: true
})
