import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { costOf, type Plan, plan, type Step, thousands, userIdOf } from "./Plan.ts"
import type { TraceRequest } from "./Trace.ts"

const traces = fc
  .array(
    fc.record({
      at: fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2026, 0, 1) }),
      contextTokens: fc.oneof(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 0, max: 5_000_000 })),
      generatedTokens: fc.integer({ min: 0, max: 5_000 })
    }),
    { minLength: 1, maxLength: 200 }
  )
  .map((requests): ReadonlyArray<TraceRequest> => requests.map((request, index) => ({ row: index + 1, ...request })))

const options = fc.record({ users: fc.integer({ min: 1, max: 50 }), seed: fc.nat() })

const stepsOf = (all: Plan): ReadonlyArray<Step> => all.users.flatMap(({ steps }) => steps)

const property = (
  name: string,
  check: (trace: ReadonlyArray<TraceRequest>, given: { users: number; seed: number }) => void
) => it(name, () => fc.assert(fc.property(traces, options, check)))

describe("A plan", () => {
  property("is the same for the same trace, users and seed", (trace, given) => {
    expect(plan(trace, given)).toEqual(plan(structuredClone(trace), { ...given }))
  })

  property("has every request once, each user's in the order of the trace", (trace, given) => {
    const all = plan(trace, given)
    const rows = stepsOf(all).flatMap((step) => (step.kind === "request" ? [step.row] : []))
    expect(rows.toSorted((a, b) => a - b)).toEqual(trace.map(({ row }) => row))
    for (const { steps } of all.users) {
      const own = steps.flatMap((step) => (step.kind === "request" ? [step.row] : []))
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
  })

  property("never lets a user begin what is not covered in full, hold and cost, nor buy too early", (trace, given) => {
    for (const { steps } of plan(trace, given).users) {
      let credits = 0
      for (const [index, step] of steps.entries()) {
        if (step.kind === "purchase") {
          const next = steps.slice(index).find((later) => later.kind === "request")
          expect(next?.kind === "request" && credits < Math.max(next.held, next.cost)).toBe(true)
          credits += step.pack.credits
        } else {
          expect(credits).toBeGreaterThanOrEqual(Math.max(step.held, step.cost))
          credits -= step.cost
        }
      }
    }
  })

  property("adds up: what users bought and spent is what there is in all", (trace, given) => {
    const all = plan(trace, given)
    const purchases = stepsOf(all).flatMap((step) => (step.kind === "purchase" ? [step.pack.credits] : []))
    const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
    expect(all.bought).toBe(sum(purchases))
    expect(all.bought).toBe(sum(all.purchases.map(({ count, pack }) => count * pack.credits)))
    expect(all.spent).toBe(
      sum(trace.map(({ contextTokens, generatedTokens }) => costOf(contextTokens + generatedTokens)))
    )
    expect(all.requests).toBe(trace.length)
  })

  property("uses no key and no payment reference twice, and names the seed in each", (trace, given) => {
    const names = stepsOf(plan(trace, given)).flatMap((step) =>
      step.kind === "purchase" ? [step.key] : [step.openKey, step.closeKey]
    )
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name.startsWith(`replay-${given.seed}-`)).toBe(true)
  })

  property("of another seed has other users", (trace, given) => {
    const users = new Set(plan(trace, given).users.map(({ userId }) => userId))
    for (const { userId } of plan(trace, { ...given, seed: given.seed + 1 }).users)
      expect(users.has(userId)).toBe(false)
  })

  it("is told from every other plan", () => {
    const trace = [{ row: 1, at: 0, contextTokens: 1, generatedTokens: 1 }]
    const longer = [...trace, { row: 2, at: 0, contextTokens: 1, generatedTokens: 1 }]
    const digests = [
      plan(trace, { users: 200, seed: 1 }),
      plan(trace, { users: 7, seed: 1 }),
      plan(trace, { users: 200, seed: 2 }),
      plan(longer, { users: 200, seed: 1 })
    ].map(({ digest }) => digest)
    expect(new Set(digests).size).toBe(4)
    for (const digest of digests) expect(digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it("spreads requests over about all of its users", () => {
    const trace = Array.from({ length: 5_000 }, (_, index) => ({
      row: index + 1,
      at: Date.UTC(2023, 0, 1),
      contextTokens: 1_000,
      generatedTokens: 10
    }))
    const { users } = plan(trace, { users: 100, seed: 1 })
    expect(users).toHaveLength(100)
    for (const { steps } of users) expect(steps.length).toBeGreaterThan(20)
  })

  it("is dated by the trace, so that running it again sends the very same", () => {
    const at = Date.UTC(2023, 10, 16, 18, 17, 3, 979)
    const all = plan([{ row: 1, at, contextTokens: 4808, generatedTokens: 10 }], { users: 1, seed: 5 })
    expect(all.users).toEqual([
      {
        userId: "replay-5-u000",
        bought: expect.any(Number),
        spent: 3,
        steps: [
          { kind: "purchase", pack: expect.anything(), externalRef: "replay-5-1-pay-1", key: "replay-5-1-pay-1", at },
          {
            kind: "request",
            row: 1,
            openKey: "replay-5-1-open",
            closeKey: "replay-5-1-close",
            estimatedAmount: "4.808",
            resourceAmount: "4.818",
            held: 3,
            cost: 3,
            at
          }
        ]
      }
    ])
  })
})

describe("The cost of tokens", () => {
  it("is max(1, ⌈thousands × 0.57⌉)", () => {
    const known = { 0: 1, 1: 1, 1754: 1, 1755: 2, 4818: 3, 100000: 57, 100001: 58, 5000000: 2_850 }
    for (const [tokens, cost] of Object.entries(known)) expect([tokens, costOf(Number(tokens))]).toEqual([tokens, cost])
  })
})

describe("Thousands of tokens", () => {
  it("are decimals without needless zeros", () => {
    const known = { 0: "0", 1: "0.001", 10: "0.01", 999: "0.999", 1000: "1", 4818: "4.818", 120500: "120.5" }
    for (const [tokens, text] of Object.entries(known)) expect(thousands(Number(tokens))).toBe(text)
  })
})

describe("A user's id", () => {
  it("is one that the service takes", () => {
    expect(userIdOf(4_294_967_295, 99_999)).toBe("replay-4294967295-u99999")
  })
})
