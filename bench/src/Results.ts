import type { Machine } from "./Machine.ts"
import type { Measurement } from "./Measure.ts"
import type { Reading } from "./Probes.ts"
import type { LoadScenario, Probe } from "./Scenario.ts"
import { titleOf } from "./Scenario.ts"
import { median } from "./Statistics.ts"

/** A load scenario with what its rounds measured. */
export interface LoadRow {
  readonly scenario: LoadScenario
  readonly rounds: ReadonlyArray<Measurement>
}

/** A probe with what its rounds read. */
export interface ProbeRow {
  readonly scenario: Probe
  readonly rounds: ReadonlyArray<Reading>
}

/** A ledger that was loaded before the rounds. */
export interface Loaded {
  readonly entries: number
  readonly users: number
  readonly entriesPerSecond: number
}

/** Everything a run found out. */
export interface Results {
  readonly machine: Machine
  /** What was typed to get it. */
  readonly command: string
  readonly at: string
  readonly seconds: number
  readonly rounds: number
  readonly loads: ReadonlyArray<LoadRow>
  readonly probes: ReadonlyArray<ProbeRow>
  readonly loaded: ReadonlyArray<Loaded>
  /** What was checked of the ledgers that were written, and that it holds. */
  readonly verified: string
}

/** The median over the rounds. */
export const middle = (row: LoadRow, value: (it: Measurement) => number): number => median(row.rounds.map(value))

/** The rounds' median pace of a scenario by its title, NaN if it was not measured. */
export const paceOf = (rows: ReadonlyArray<LoadRow>, title: string): number => {
  const row = rows.find(({ scenario }) => titleOf(scenario) === title)
  return row === undefined ? Number.NaN : middle(row, (it) => it.perSecond)
}

/** What every round had to say beside its figures, once. */
export const notesOf = (results: Results): ReadonlyArray<string> => [
  ...results.loads.flatMap(({ rounds, scenario }) =>
    [...new Set(rounds.flatMap(({ note }) => note ?? []))].map((note) => `${titleOf(scenario)}: ${note}`)
  ),
  ...results.probes.flatMap(({ rounds, scenario }) => rounds.slice(-1).map(({ note }) => `${scenario.name}: ${note}`)),
  ...results.loaded.map(
    ({ entries, entriesPerSecond, users }) =>
      `${entries.toLocaleString("en")} entries of ${users.toLocaleString("en")} users in 12 months were loaded through the ` +
      `ledger's INSERT and its triggers at ${Math.round(entriesPerSecond).toLocaleString("en")} entries/s, with their lots ` +
      "and closed operations"
  )
]
