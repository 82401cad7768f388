import { allocate, inOrderOfConsumption } from "@credit/domain/decide/Allocation"
import type { EntryState } from "@credit/domain/LedgerEntry"
import type { LotState } from "@credit/domain/Lot"
import type { ConsumptionOrder } from "@credit/domain/Merchant"
import { HOUR } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { entriesOf, lotOf, operationOf } from "../support/Answers.ts"
import { close, extend, grant, open } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { play, walk } from "../support/Walk.ts"

/** Sorts by the words of rule 4, one criterion after the other. */
const inOrder = (lots: ReadonlyArray<LotState>, order: ConsumptionOrder, now: number): ReadonlyArray<LotState> => {
  const digits = (value: number) => `${value}`.padStart(16, "0")
  const key = ({ expiresAt, issuedAt, lotId }: LotState): string => {
    const due = expiresAt <= now
    return due || order === "expiring_first"
      ? `${due ? 0 : 1} ${digits(expiresAt)} ${digits(issuedAt)} ${lotId}`
      : `1 ${digits(issuedAt)} ${lotId}`
  }
  return lots.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

const debits = (entries: ReadonlyArray<EntryState>): ReadonlyArray<ReadonlyArray<EntryState>> => [
  ...Map.groupBy(
    entries.filter((entry) => entry.reason === "debit"),
    (entry) => entry.operationId
  ).values()
]

/** A few lots in any order, with many equal instants among them, some of them due. */
const lots = fc
  .array(
    fc.record({
      issuedAt: fc.nat({ max: 3 }),
      expiresAt: fc.integer({ min: 4, max: 8 }),
      remaining: fc.nat({ max: 9 })
    }),
    {
      maxLength: 8
    }
  )
  .chain((made) =>
    fc.shuffledSubarray(
      made.map(
        (lot, index): LotState => ({
          ...lot,
          lotId: `lot-${index}`,
          userId: "ada",
          source: "manual",
          productCode: null,
          externalRef: null,
          credits: 9
        })
      ),
      { minLength: made.length }
    )
  )
const order = fc.constantFrom<ConsumptionOrder>("oldest_first", "expiring_first")

describe("the order of consumption (rule 4)", () => {
  it("is: what is due, by expiry; then by the merchant's setting; equals by age, then by id", () => {
    forAll(
      [lots, order, fc.integer({ min: 3, max: 9 })],
      (some, setting, now) => {
        expect(inOrderOfConsumption(some, setting, now)).toEqual(inOrder(some, setting, now))
      },
      500
    )
  })

  it("decides nothing but who gives: what all lots give and what is uncovered make up the amount", () => {
    forAll([lots, fc.integer({ min: 1, max: 60 })], (some, amount) => {
      const { portions, uncovered } = allocate(some, amount)
      const given = portions.reduce((total, portion) => total + portion.amount, 0)
      expect(given).toBe(
        Math.min(
          amount,
          some.reduce((total, lot) => total + lot.remaining, 0)
        )
      )
      expect(given + uncovered).toBe(amount)
      expect(portions.every((portion) => portion.amount > 0 && portion.amount <= portion.lot.remaining)).toBe(true)
    })
  })
})

describe("a debit (rule 4)", () => {
  it("takes from the lots in order, all of one before the next, one entry each; debt is what is left", () => {
    let split = 0
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      for (const debit of debits(ledger.entries)) {
        const [first] = debit
        if (first === undefined) continue
        const earlier = ledger.entriesFor(first.userId).filter((entry) => entry.seq < first.seq)
        const lots = [...ledger.lots.values()]
          .map((lot) => {
            const ofLot = earlier.filter((entry) => entry.lotId === lot.lotId)
            return { ...lot, remaining: ofLot.reduce((total, entry) => total + entry.amount, 0) }
          })
          .filter((lot) => lot.remaining > 0)
        const expected: Array<readonly [string | null, number]> = []
        let left = debit.reduce((total, entry) => total - entry.amount, 0)
        for (const lot of inOrder(lots, life.order, first.createdAt)) {
          if (left === 0) break
          const part = Math.min(left, lot.remaining)
          expected.push([lot.lotId, -part])
          left -= part
        }
        if (left > 0) expected.push([null, -left])
        expect(debit.map(({ amount, lotId }) => [lotId, amount])).toEqual(expected)
        if (expected.length > 1) split += 1
      }
    })
    expect(split, "debits over several lots").toBeGreaterThan(0)
  })

  it("adds up to the cost of the work, and its entries tell the work", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      for (const debit of debits(ledger.entries)) {
        const operation = ledger.operations.get(debit[0]?.operationId ?? "")
        expect(debit.reduce((total, entry) => total - entry.amount, 0)).toBe(operation?.finalCost)
        for (const entry of debit) {
          expect(entry).toMatchObject({
            operationType: operation?.operationTypeCode,
            resourceAmount: operation?.resourceAmount,
            resourceUnit: operation?.resourceUnit,
            capturedRate: operation?.capturedRate
          })
        }
      }
    })
  })

  /** Three lots whose order by age, by expiry and by id differ; answers the credits of the lots in the order spent. */
  const spentFrom = (consumptionOrder: ConsumptionOrder): ReadonlyArray<number> => {
    const ledger = new Ledger({ consumptionOrder })
    ledger.send(grant("ada", 3, 3))
    ledger.advance(1)
    ledger.send(grant("ada", 1, 1))
    ledger.send(grant("ada", 2, 1))
    const { operationId } = operationOf(ledger.send(open("ada")))
    return entriesOf(ledger.send(close(operationId, "6"))).map((entry) => -entry.amount)
  }

  it("takes the oldest lot first by default", () => {
    expect(spentFrom("oldest_first")).toEqual([3, 1, 2])
  })

  it("takes the lot that expires first where the merchant says so, of those the older, then the lower id", () => {
    expect(spentFrom("expiring_first")).toEqual([1, 2, 3])
  })

  it.each<ConsumptionOrder>(["oldest_first", "expiring_first"])(
    "takes a due lot kept for a hold first (%s)",
    (order) => {
      const ledger = new Ledger({ consumptionOrder: order })
      ledger.send(grant("ada", 50, 3))
      ledger.advance(1)
      const due = lotOf(ledger.send(grant("ada", 50, 1)))
      const { operationId } = operationOf(
        ledger.send(open("ada", { estimatedAmount: "80", timeoutMinutes: 2 * 24 * 60 }))
      )
      ledger.advance(25 * HOUR)
      const entries = entriesOf(ledger.send(close(operationId, "10")))
      expect(entries.map(({ amount, lotId }) => [lotId, amount])).toEqual([[due.lotId, -10]])
    }
  )

  it("tells the lots in the order in which they will be spent", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      ledger.advance(36 * HOUR)
      for (const userId of ledger.accounts.keys()) {
        const { activeLots, asOf } = ledger.balance(userId)
        const lots = activeLots.flatMap(({ lotId }) => ledger.lots.get(lotId) ?? [])
        const expected = inOrder(lots, life.order, Date.parse(asOf))
        expect(activeLots.map((lot) => lot.lotId)).toEqual(expected.map((lot) => lot.lotId))
      }
    })
  })
})

it("an extended operation goes on keeping the due lot it holds", () => {
  const ledger = new Ledger()
  ledger.send(grant("ada", 50, 1))
  const { operationId } = operationOf(ledger.send(open("ada", { estimatedAmount: "30", timeoutMinutes: 23 * 60 })))
  ledger.send(extend(operationId, 3 * 24 * 60))
  ledger.advance(30 * HOUR)
  expect(ledger.balance("ada")).toMatchObject({ balance: 30, held: 30, available: 0 })
  ledger.advance(60 * HOUR)
  expect(ledger.balance("ada")).toMatchObject({ balance: 0, held: 0, available: 0 })
})
