import { instantOf } from "@credit/domain/Account"
import { inOrderOfConsumption } from "@credit/domain/decide/Allocation"
import { type Booking, begin, creditDetail, settleDue } from "@credit/domain/decide/Booking"
import { clawBack, clawback } from "@credit/domain/decide/Clawback"
import type { PurchaseState } from "@credit/domain/decide/State"
import { describe, expect, it } from "vitest"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { play, walk } from "../support/Walk.ts"

/** What already expired of a lot, booked or with the booking at hand. */
const expiredOf = (ledger: Ledger, lotId: string, booking: Booking): number =>
  [...ledger.entries, ...booking.entries]
    .filter((entry) => entry.lotId === lotId && entry.reason === "expiry")
    .reduce((sum, entry) => sum - entry.amount, 0)

const startOf = (ledger: Ledger, userId: string): Booking => {
  const account = ledger.account(userId)
  return settleDue(begin(account, instantOf(account, ledger.now), ledger.newId))
}

/** Reverses a purchase of a ledger's, without storing it. */
const reversal = (ledger: Ledger, { lot, userId }: Pick<PurchaseState, "lot" | "userId">) => {
  const before = startOf(ledger, userId)
  const reversed = { lotId: lot.lotId, credits: lot.credits, expired: expiredOf(ledger, lot.lotId, before) }
  const order = ledger.settings.consumptionOrder
  const after = clawBack(before, reversed, order, (amount) => creditDetail("refund", amount))
  const taken = after.entries.filter((entry) => entry.reason === "refund")
  return { before, after, reversed, order, taken }
}

const sum = (amounts: ReadonlyArray<number>): number => amounts.reduce((total, amount) => total + amount, 0)

describe("A clawback (rule 10)", () => {
  it("takes back what the purchase gave, less what expired of it, out of the lot, then the others in order, then as debt", () => {
    let reversals = 0
    let owing = 0
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      for (const bought of ledger.purchases.values()) {
        if (ledger.reversals.has(bought.externalRef)) continue
        const { after, before, order, reversed, taken } = reversal(ledger, bought)
        const due = reversed.credits - reversed.expired
        expect(sum(taken.map((entry) => -entry.amount))).toBe(due)

        const own = before.account.lots.find((lot) => lot.lotId === reversed.lotId)?.remaining ?? 0
        const fromOwn = sum(taken.filter((entry) => entry.lotId === reversed.lotId).map((entry) => -entry.amount))
        expect(fromOwn).toBe(Math.min(own, due))

        let left = due - fromOwn
        for (const lot of inOrderOfConsumption(before.account.lots, order, before.now)) {
          if (lot.lotId === reversed.lotId) continue
          const part = sum(taken.filter((entry) => entry.lotId === lot.lotId).map((entry) => -entry.amount))
          expect(part).toBe(Math.min(lot.remaining, left))
          left -= part
        }
        expect(after.account.debt - before.account.debt).toBe(left)

        const { account } = after
        expect(account.balance).toBe(sum(account.lots.map((lot) => lot.remaining)) - account.debt)
        if (account.debt > 0) expect(account.balance).toBe(-account.debt)
        reversals += due > 0 ? 1 : 0
        owing += left > 0 ? 1 : 0
      }
    })
    // A property that met no case proves nothing.
    expect(reversals).toBeGreaterThan(10)
    expect(owing).toBeGreaterThan(0)
  })

  it("takes nothing where everything expired", () => {
    const account = { ...startOf(new Ledger(), "ann").account }
    expect(clawback({ account, now: 0 }, { lotId: "gone", credits: 100, expired: 100 }, "oldest_first")).toEqual({
      portions: [],
      uncovered: 0
    })
  })
})
