import { raceJobs } from "../../apps/server/test/jobs/Race.ts"
import { sweepBacklog } from "./jobsVolume.ts"

/** A suite in its long form: it throws at the first thing that is not as it should be, and reports what it did. */
export interface LongSuite {
  readonly about: string
  /** How many rounds make it the long form. */
  readonly rounds: number
  run(
    adminUrl: string,
    options: { readonly rounds: number; readonly seed: number; readonly onRound: (round: number) => void }
  ): Promise<object>
}

/** The long forms, by name. */
export const longSuites: Readonly<Record<string, LongSuite>> = {
  jobs: { about: "all jobs race 16 writers; rules 1 to 5 are checked after each round", rounds: 500, run: raceJobs },
  "jobs-volume": {
    about: "as many thousand accounts with five expired lots each, swept in one call beside a service at work",
    rounds: 205,
    run: sweepBacklog
  }
}
