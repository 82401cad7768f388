import { describe, expect, it } from "vitest"
import type { Measurement } from "../src/Measure.ts"
import type { LoadRow, Results } from "../src/Results.ts"
import { isLoad, makeScenarios, titleOf } from "../src/Scenario.ts"
import { median, quantiles } from "../src/Statistics.ts"
import { targetsOf } from "../src/Targets.ts"

const measured = (perSecond: number, busyCores: number): Measurement => ({
  seconds: 2,
  done: perSecond * 2,
  perSecond,
  latency: { p50: 3, p99: 9 },
  commands: { Open: { p50: 1, p99: 4 }, RecordAndClose: { p50: 2, p99: 25 } },
  cpu: { server: busyCores * 2, postgres: 0, load: 0, other: 0 },
  mebibytes: { server: 1, postgres: 1, load: 1 }
})

/** Results of rows by their titles: the paces of their rounds. */
const results = (paces: Readonly<Record<string, ReadonlyArray<number>>>, cores: number): Results => ({
  machine: { cpu: "", cores, node: "", postgres: "", syncMillis: 0, loadBefore: 0 },
  command: "",
  at: "",
  seconds: 2,
  rounds: 3,
  loads: makeScenarios([10_000, 1_000_000], 100)
    .filter(isLoad)
    .flatMap((scenario): ReadonlyArray<LoadRow> => {
      const rounds = paces[titleOf(scenario)]
      return rounds === undefined ? [] : [{ scenario, rounds: rounds.map((pace) => measured(pace, 2)) }]
    }),
  probes: [],
  loaded: [],
  verified: ""
})

const byName = (found: Results) => new Map(targetsOf(found).map((target) => [target.name, target]))

describe("A target", () => {
  it("is judged by medians of what was measured, and left out where that was not", () => {
    const found = byName(results({ "pairs@64": [100, 900, 1000], "floor@16": [1000, 1000, 5000] }, 2))
    expect(found.get("pairs@64 / floor")).toMatchObject({ measured: "0.90", reached: true })
    expect([...found.keys()]).toEqual(["pairs@64 / floor"])
  })

  it("of latency is one of each command", () => {
    const found = byName(results({ "pairs@16": [500] }, 2))
    expect(found.get("p99 of Open at 16 callers")).toMatchObject({ measured: "4.00 ms", reached: true })
    expect(found.get("p99 of RecordAndClose at 16 callers")).toMatchObject({ measured: "25.00 ms", reached: false })
  })

  it("of growth sets the largest ledger against the smallest", () => {
    const found = byName(results({ "pairs-of-1e4@64": [1000], "pairs-of-1e6@64": [800] }, 2))
    expect(found.get("pairs-of-1e6 / of-1e4")).toMatchObject({ measured: "0.80", reached: false })
  })

  it("of a second server is judged only where a core is free", () => {
    const paces = { "pairs@64": [1000], "pairs-2-servers@64": [1700] }
    const name = "a second server process adds"
    expect(byName(results(paces, 4)).get(name)).toMatchObject({ measured: "+70 %", reached: true })
    const crowded = byName(results(paces, 2)).get(name)
    expect(crowded?.reached).toBeUndefined()
    expect(crowded?.measured).toContain("no core is free")
  })
})

describe("Statistics", () => {
  it("are those of the values as they are", () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(quantiles(Array.from({ length: 100 }, (_, index) => 100 - index))).toEqual({ p50: 50, p99: 99 })
  })
})
