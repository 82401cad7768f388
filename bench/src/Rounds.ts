import * as Effect from "effect/Effect"
import { openSession } from "../../test/utils/Session.ts"
import type { Arguments } from "./Arguments.ts"
import type { Ground } from "./Ground.ts"
import { type Measurement, measure } from "./Measure.ts"
import { type Reading, takeReading } from "./Probes.ts"
import type { LoadRow, ProbeRow } from "./Results.ts"
import { isLoad, type LoadScenario, type Probe, titleOf } from "./Scenario.ts"

/** What the open loops' pace is a part of. */
const CAPACITY = "pairs@64"

/** Measures every scenario once per round, one after the other, so that a slow minute of the machine is shared by all. */
export const measureAll = Effect.fnUntraced(function* (
  ground: Ground,
  given: Arguments,
  progress: (text: string) => void
) {
  const loads = new Map<LoadScenario, Array<Measurement>>()
  const probes = new Map<Probe, Array<Reading>>()
  for (const scenario of given.scenarios) isLoad(scenario) ? loads.set(scenario, []) : probes.set(scenario, [])
  const begun = new Set<LoadScenario>()
  let capacity = Number.NaN
  for (let round = given.warmUp ? 0 : 1; round <= given.rounds; round++) {
    const step = (title: string) => progress(`${round === 0 ? "warm-up" : `round ${round}/${given.rounds}`}  ${title}`)
    // Round 0 is thrown away: the first to run would pay for what the processes compile and the caches load.
    const seconds = round === 0 ? Math.min(1, given.seconds) : given.seconds
    for (const [scenario, measurements] of loads) {
      step(titleOf(scenario))
      const timing = { warmUp: Math.min(0.5, seconds / 3), seconds, first: !begun.has(scenario), capacity }
      begun.add(scenario)
      const measurement = yield* Effect.tryPromise({
        try: () => measure(ground, scenario, timing),
        catch: (error) => error
      })
      if (titleOf(scenario) === CAPACITY) capacity = measurement.perSecond
      if (round > 0) measurements.push(measurement)
    }
    for (const [probe, readings] of probes) {
      if (round === 0) continue
      step(probe.name)
      readings.push(yield* takeReading(ground, probe, seconds))
    }
    // What autovacuum does within a minute or so of a database's life; left to it, it would fall into some measurement.
    if (round === 0) yield* Effect.promise(() => vacuum(ground))
  }
  return {
    loads: Array.from(loads, ([scenario, rounds]): LoadRow => ({ scenario, rounds })),
    probes: Array.from(probes, ([scenario, rounds]): ProbeRow => ({ scenario, rounds }))
  }
})

/** Of the merchant whose tables were empty; the others' were vacuumed when they had been loaded. */
const vacuum = async ({ main }: Ground): Promise<void> => {
  const owner = await openSession(main.database.ownerUrl)
  try {
    await owner.query("VACUUM (ANALYZE)")
  } finally {
    await owner.close()
  }
}
