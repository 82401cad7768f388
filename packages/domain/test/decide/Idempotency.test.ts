import type { Command } from "@credit/domain/decide/Batch"
import { type KeyState, keyId, transactionId } from "@credit/domain/decide/Idempotency"
import { HOUR } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cancel, close, command, grant, open, purchase } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger, START } from "../support/Ledger.ts"

const KEY = "k"
const WEEK = 168 * HOUR
const five = grant("ada", 5, 1, { key: KEY })
const six = grant("ada", 6, 1, { key: KEY })

/** A ledger that finds this record under the key of `five`. */
const finding = (record: Partial<KeyState> & Pick<KeyState, "state">): Ledger => {
  const ledger = new Ledger()
  ledger.keys.set(keyId("Grant.Apply", KEY), {
    fingerprint: five.fingerprint,
    fieldHashes: five.fieldHashes,
    response: null,
    claimedAt: START - HOUR,
    expiresAt: START - HOUR + WEEK,
    leaseUntil: null,
    ...record
  })
  return ledger
}

/** How the ledger takes a command: the way the answer came about, its outcome, and the balance afterwards. */
const takes = (ledger: Ledger, sent: Command) => {
  const { outcome, tag } = ledger.send(sent)
  return [tag, outcome, ledger.balance("ada").balance]
}

const stored = {
  response:
    '{"_tag":"Success","value":{"now":"then","meta":{"transactionId":"00000000-0000-5000-8000-000000000000","replayed":false}}}'
}
const expired = { claimedAt: START - WEEK, expiresAt: START }
const executed = ["Decided", "succeeded"]
const conflict = ["Refused", "IntentConflict", 0]

describe("a command whose key is found", () => {
  it.each<[string, Parameters<typeof finding>[0] | null, unknown, unknown]>([
    ["nowhere", null, [...executed, 5], [...executed, 6]],
    ["SUCCEEDED", { state: "SUCCEEDED", ...stored }, ["Replayed", "succeeded", 0], conflict],
    ["FAILED_FINAL", { state: "FAILED_FINAL", ...stored }, ["Replayed", "succeeded", 0], conflict],
    ["FAILED_RETRIABLE", { state: "FAILED_RETRIABLE" }, [...executed, 5], conflict],
    [
      "PENDING under its lease",
      { state: "PENDING", leaseUntil: START + 1 },
      ["Refused", "RequestInProgress", 0],
      conflict
    ],
    ["PENDING past its lease", { state: "PENDING", leaseUntil: START }, [...executed, 5], conflict],
    ["SUCCEEDED, expired", { state: "SUCCEEDED", ...stored, ...expired }, [...executed, 5], [...executed, 6]],
    ["FAILED_FINAL, expired", { state: "FAILED_FINAL", ...stored, ...expired }, [...executed, 5], [...executed, 6]],
    ["FAILED_RETRIABLE, expired", { state: "FAILED_RETRIABLE", ...expired }, [...executed, 5], [...executed, 6]],
    ["PENDING, expired", { state: "PENDING", leaseUntil: START + HOUR, ...expired }, [...executed, 5], [...executed, 6]]
  ])("%s", (_, record, same, other) => {
    const ledger = () => (record === null ? new Ledger() : finding(record))
    expect(takes(ledger(), five)).toEqual(same)
    expect(takes(ledger(), six)).toEqual(other)
  })
})

describe("a replay", () => {
  it("equals the first answer but for meta.replayed, for successes and refusals alike", () => {
    const ledger = new Ledger()
    const commands = [
      grant("ada", 5, 1),
      open("ada", { estimatedAmount: "2" }),
      open("ada", { estimatedAmount: "50" }),
      purchase("bob", "pay-1"),
      purchase("bob", "pay-2", { amount: "1" }),
      cancel("00000000-0000-7000-8000-ffffffffffff")
    ]
    const first = ledger.run(commands).answers
    const stored = ledger.snapshot()
    ledger.advance(30 * HOUR)
    const again = ledger.run(commands).answers
    for (const [index, answer] of again.entries()) {
      const original = first[index]?.response ?? ""
      expect(answer.tag).toBe("Replayed")
      expect(answer.response).not.toBe(original)
      expect(answer.response.replace('"replayed":true', '"replayed":false')).toBe(original)
    }
    expect(ledger.snapshot()).toEqual(stored)
  })

  it("comes also within the batch of the first", () => {
    const ledger = new Ledger()
    const [first, second] = ledger.run([five, five]).answers
    expect([first?.tag, second?.tag, ledger.balance("ada").balance]).toEqual(["Decided", "Replayed", 5])
  })

  it("comes for 168 hours from the first claim, which replays do not prolong; then the command runs anew", () => {
    const ledger = new Ledger()
    const purchased = purchase("ada", "pay-1", { key: KEY })
    ledger.run([five, purchased])
    ledger.advance(WEEK / 2)
    expect(ledger.send(five).tag).toBe("Replayed")
    ledger.advance(WEEK / 2 - 1)
    expect(ledger.send(five).tag).toBe("Replayed")
    ledger.advance(1)
    expect(takes(ledger, five)).toEqual(["Decided", "succeeded", 5])
    expect(ledger.send(five).tag).toBe("Replayed")
    // What has an identity of its own still has its one effect.
    expect([ledger.send(purchased).tag, ledger.purchases.size]).toEqual(["Decided", 1])
  })

  it("is not made of an answer that was never stored: such a record is a fault, not a new command", () => {
    expect(() => finding({ state: "SUCCEEDED" }).send(five)).toThrow("no stored answer")
  })
})

describe("a key", () => {
  it("is one per kind of command", () => {
    const ledger = new Ledger()
    ledger.send(five)
    expect(ledger.send(open("ada", { key: KEY })).tag).toBe("Decided")
    expect(ledger.send(open("ada", { key: KEY })).tag).toBe("Replayed")
  })

  it("keeps the time of its first claim when the command is tried again", () => {
    for (const state of ["FAILED_RETRIABLE", "PENDING"] as const) {
      const ledger = finding({ state })
      ledger.send(five)
      expect(ledger.keys.get(keyId("Grant.Apply", KEY))).toMatchObject({
        state: "SUCCEEDED",
        claimedAt: START - HOUR,
        expiresAt: START - HOUR + WEEK,
        leaseUntil: null
      })
    }
  })

  it("tells how long an earlier try may still take, in whole seconds", () => {
    const wait = (milliseconds: number) =>
      finding({ state: "PENDING", leaseUntil: START + milliseconds }).send(five).error?.retryAfterSeconds
    expect([wait(1), wait(1000), wait(1001), wait(30_000)]).toEqual([1, 1, 2, 30])
  })

  it("gives one transaction id per merchant, command and key", () => {
    const ids = [
      transactionId("demo", "Grant.Apply", "k"),
      transactionId("acme", "Grant.Apply", "k"),
      transactionId("demo", "Operation.Open", "k"),
      transactionId("demo", "Grant.Apply", "k2")
    ]
    expect(new Set(ids).size).toBe(4)
    expect(transactionId("demo", "Grant.Apply", "k")).toBe(ids[0])
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

describe("the same payload", () => {
  it.each([
    ["a decimal", open("ada", { key: KEY, estimatedAmount: "5" }), open("ada", { key: KEY, estimatedAmount: "5.000" })],
    [
      "an instant",
      close("00000000-0000-7000-8000-000000000001", "5", { key: KEY, completedAt: "2026-01-01T12:00:00Z" }),
      close("00000000-0000-7000-8000-000000000001", "5", { key: KEY, completedAt: "2026-01-01T16:00:00.0009+04:00" })
    ]
  ])("is the same however %s is written", (_, first, second) => {
    expect(second.fingerprint).toBe(first.fingerprint)
    const ledger = new Ledger()
    ledger.send(first)
    expect(ledger.send(second).tag).toBe("Replayed")
  })
})

describe("a conflict", () => {
  const amount = fc.constantFrom("1", "1.0", "2", "2.50", "2.5", "10")
  const payload = fc.record(
    {
      userId: fc.constantFrom("ada", "bob"),
      operationTypeCode: fc.constantFrom("call", "tokens", "minutes"),
      workflowId: fc.constantFrom("w1", "w2", "1", "null"),
      estimatedAmount: amount,
      timeoutMinutes: fc.constantFrom(1, 60, 61)
    },
    { requiredKeys: ["userId", "operationTypeCode"] }
  )
  type Payload = typeof payload extends fc.Arbitrary<infer P> ? P : never
  const fields = ["estimatedAmount", "operationTypeCode", "timeoutMinutes", "userId", "workflowId"] as const
  const meaning = (given: Payload, field: (typeof fields)[number]) =>
    field === "estimatedAmount" && given.estimatedAmount !== undefined ? Number(given.estimatedAmount) : given[field]

  it("names exactly the fields that differ, and no value", () => {
    forAll(
      [payload, payload],
      (a, b) => {
        const ledger = new Ledger()
        const [first, second] = [a, b].map((it) => command({ type: "Operation.Open", payload: it }, { key: KEY }))
        if (first === undefined || second === undefined) throw new Error("No commands")
        ledger.send(first)
        const before = ledger.snapshot()
        const answer = ledger.send(second)
        const differing = fields.filter((field) => meaning(a, field) !== meaning(b, field))
        if (differing.length === 0) {
          expect(answer.tag).toBe("Replayed")
        } else {
          expect([answer.tag, answer.error]).toEqual([
            "Refused",
            {
              _tag: "IntentConflict",
              fields: differing,
              meta: { transactionId: second.transactionId, replayed: false }
            }
          ])
        }
        expect(ledger.snapshot()).toEqual(before)
      },
      300
    )
  })

  it("names fields within fields by their path", () => {
    const ledger = new Ledger()
    ledger.send(purchase("ada", "pay-1", { key: KEY, paymentMethod: "card" }))
    const other = purchase("ada", "pay-2", { key: KEY, amount: "9.98", settledAt: "2026-01-01T00:00:06Z" })
    expect(ledger.send(other).error?.fields).toEqual([
      "settlementData.externalRef",
      "settlementData.paymentMethod",
      "settlementData.pricingSnapshot.amount",
      "settlementData.settledAt"
    ])
  })

  it("of different kinds of grant names what one has and the other has not", () => {
    const ledger = new Ledger()
    ledger.send(five)
    const welcome = command(
      { type: "Grant.Apply", payload: { userId: "ada", grant: { type: "welcome" } } },
      { key: KEY }
    )
    expect(ledger.send(welcome).error?.fields).toEqual([
      "grant.accessPeriodDays",
      "grant.credits",
      "grant.justification",
      "grant.type"
    ])
  })

  it("keeps no value in what it stores of a payload: equal values under other keys or paths look different", () => {
    const hashes = [five, grant("ada", 5, 5), grant("ada", 5, 1)].flatMap((it) => Object.values(it.fieldHashes))
    expect(new Set(hashes).size).toBe(hashes.length)
    expect(hashes.every((it) => /^[0-9a-f]{12}$/.test(it))).toBe(true)
  })
})
