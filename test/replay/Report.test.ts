import { describe, expect, it } from "vitest"
import { plan } from "./Plan.ts"
import { differences, percentile, renderRun, renderStanding, total, type UserStanding } from "./Report.ts"
import type { Run } from "./Run.ts"

const trace = Array.from({ length: 20 }, (_, index) => ({
  row: index + 1,
  at: Date.UTC(2023, 0, 1),
  contextTokens: 10_000,
  generatedTokens: 500
}))
const all = plan(trace, { users: 3, seed: 1 })

/** What a service says that did all as planned. */
const asPlanned: ReadonlyArray<UserStanding> = all.users.map(({ bought, spent, userId }) => ({
  userId,
  bought,
  spent,
  other: 0,
  balance: bought - spent,
  held: 0,
  owed: 0
}))

const withFirst = (change: Partial<UserStanding>): ReadonlyArray<UserStanding> =>
  asPlanned.map((standing, index) => (index === 0 ? { ...standing, ...change } : standing))

describe("The comparison", () => {
  it("finds nothing where the service agrees with the plan", () => {
    expect(differences(all, asPlanned)).toEqual([])
  })

  it("does not mind credits that expired meanwhile, if the balance says so too", () => {
    const [first] = asPlanned
    expect(differences(all, withFirst({ other: -7, balance: (first?.balance ?? 0) - 7 }))).toEqual([])
  })

  for (const field of ["bought", "spent", "balance", "held", "owed"] as const) {
    it(`finds one credit too many in what is ${field}`, () => {
      const [first] = asPlanned
      const wrong = differences(all, withFirst({ [field]: (first?.[field] ?? 0) + 1 }))
      expect(wrong.some((line) => line.startsWith(`${all.users[0]?.userId}: ${field} `))).toBe(true)
    })
  }

  it("finds what two users' differences would hide in the sum", () => {
    const shifted = asPlanned.map((standing, index) => {
      const shift = index === 0 ? 1 : index === 1 ? -1 : 0
      return { ...standing, spent: standing.spent + shift, balance: standing.balance - shift }
    })
    expect(total(shifted)).toEqual(total(asPlanned))
    expect(differences(all, shifted)).toHaveLength(2)
  })

  it("finds a user whom the service was not asked about", () => {
    expect(differences(all, asPlanned.slice(1))).toHaveLength(1)
  })
})

describe("A percentile", () => {
  it("is a value that there was", () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1)
    expect([0.5, 0.9, 0.99, 1].map((share) => percentile(values, share))).toEqual([50, 90, 99, 100])
    expect(percentile([7], 0.5)).toBe(7)
    expect(percentile([], 0.5)).toBe(0)
  })
})

describe("The report", () => {
  it("shows the service's word beside the plan's", () => {
    const text = renderStanding(all, asPlanned)
    expect(text).toMatch(/^bought +[\d,]+ +[\d,]+ {3}\d+ starter, \d+ pro: [\d,]+\.\d\d USD$/m)
    expect(text).toMatch(/^spent +120 +120$/m)
    expect(text).toMatch(/^owed +0 +0$/m)
    expect(text).not.toContain("other")
  })

  it("shows throughput, replays and latencies", () => {
    const run: Run = {
      requests: 20,
      purchases: 3,
      answers: 43,
      replayed: 13,
      latencies: { purchase: [3, 1, 2], open: [1], close: [] },
      problems: [],
      stopped: undefined,
      seconds: 2
    }
    const text = renderRun(all, run)
    expect(text).toContain("20 of 20 requests by 3 users, 3 purchases, in 2.0 s: 10 requests/s")
    expect(text).toContain("13 of 43 answers were replays of an earlier run")
    expect(text).toMatch(/^purchase +2\.0 +3\.0 +3\.0 +3\.0$/m)
    expect(text).toMatch(/^close$/m)
  })
})
