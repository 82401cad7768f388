import { writeFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { faults } from "../../test/utils/verify.ts"
import { type Arguments, readArguments, USAGE, UsageError } from "./Arguments.ts"
import { type Ground, makeGround } from "./Ground.ts"
import { describeMachine, loadNow, type Machine, renderMachine } from "./Machine.ts"
import { type Measurement, MeasurementFailed, measure } from "./Measure.ts"
import { type Row, ratios, renderTable } from "./Report.ts"
import type { Scenario } from "./Scenario.ts"

/** Measures every scenario once per round, one after the other, so that a slow minute of the machine is shared by all. */
const measureAll = Effect.fnUntraced(function* (ground: Ground, given: Arguments) {
  const warmUp = Math.min(1, given.seconds / 2)
  const measured = new Map<Scenario, Array<Measurement>>(given.scenarios.map((scenario) => [scenario, []]))
  for (let round = 0; round <= given.rounds; round++) {
    for (const [scenario, measurements] of measured) {
      progress(`${round === 0 ? "warm-up" : `round ${round}/${given.rounds}`}  ${scenario.name}@${scenario.callers}`)
      // Round 0 is thrown away: the first to run would pay for what the processes compile and the caches load.
      const seconds = round === 0 ? Math.min(1, given.seconds) : given.seconds
      const measurement = yield* Effect.tryPromise({
        try: () => measure(ground, scenario, { warmUp, seconds }),
        catch: (error) => error
      })
      if (round > 0) measurements.push(measurement)
    }
    // What autovacuum does within a minute or so of a database's life; left to it, it would fall into some measurement.
    if (round === 0) yield* Effect.promise(() => ground.owner.query("VACUUM (ANALYZE)"))
  }
  progress("")
  return [...measured].map(([scenario, rounds]): Row => ({ scenario, rounds }))
})

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/** Figures of a ledger that is wrong are worth nothing: everything the run wrote is derived again from its entries. */
const verify = Effect.fnUntraced(function* ({ owner }: Ground) {
  const found = yield* Effect.promise(() => faults(owner))
  if (found.length > 0) return yield* Effect.fail(new Error(`The ledger is wrong: ${found.slice(0, 5).join("; ")}`))
  const [row] = yield* Effect.promise(() => owner.query("SELECT count(*)::text AS entries FROM public.ledger_entries"))
  return Number(row?.entries)
})

const report = (machine: Machine, rows: ReadonlyArray<Row>, entries: number, given: Arguments): void => {
  const standing = ratios(rows)
  const seconds = `${given.rounds} rounds of ${given.seconds} s each`
  process.stdout.write(`${renderMachine(machine)}\n${seconds}; medians; CPU in cores\n\n${renderTable(rows)}\n\n`)
  for (const { name, value } of standing) process.stdout.write(`${name}: ${value.toFixed(2)}\n`)
  process.stdout.write(`${entries.toLocaleString("en")} ledger entries; balances, lots, holds and hashes verified\n`)
  if (given.json !== undefined) {
    const { rounds, seconds } = given
    const written = { machine, seconds, rounds, scenarios: rows, ratios: standing, entries }
    writeFileSync(given.json, `${JSON.stringify(written, undefined, 2)}\n`)
  }
}

const bench = Effect.fnUntraced(function* (given: Arguments) {
  const loadBefore = loadNow()
  const ground = yield* makeGround
  const machine = yield* Effect.promise(() => describeMachine(ground.owner, ground.home, loadBefore))
  const rows = yield* measureAll(ground, given)
  report(machine, rows, yield* verify(ground), given)
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
