import { expect, inject, it } from "vitest"
import { testSeed } from "../../../../test/utils/makeRandom.ts"
import { raceJobs } from "./Race.ts"

const seed = testSeed()

// The long form: npm run test:long -- jobs --rounds 500
it(`all jobs race 16 writers, and rules 1 to 5 hold after each round (TEST_SEED=${seed})`, async () => {
  const report = await raceJobs(inject("adminUrl"), { rounds: 12, seed })
  expect(report.deadlocks).toBe(0)
  // They did meet: jobs booked expiries and releases while the writers were at it.
  expect(report.runs).toBeGreaterThan(12 * 5)
  expect(report.released).toBeGreaterThan(0)
  expect(report.entriesByJobs).toBeGreaterThan(0)
})
