import { createHash } from "node:crypto"
import { canonicalEntry } from "@credit/domain/EntryHash"
import type { EntryState } from "@credit/domain/LedgerEntry"
import { describe, expect, it } from "vitest"
import { operationOf } from "../support/Answers.ts"
import { close, grant, open } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { play, users, walk } from "../support/Walk.ts"

const sum = (entries: ReadonlyArray<EntryState>): number => entries.reduce((total, entry) => total + entry.amount, 0)
const anyLife = walk({ clock: "any" })

describe("the ledger is the truth (rules 1 to 3): through any life of a merchant", () => {
  it("entries of an account carry seq 1, 2, 3… and the balance after them", () => {
    forAll([anyLife], (life) => {
      const ledger = play(life)
      for (const user of users) {
        let balance = 0
        for (const [index, entry] of ledger.entriesFor(user).entries()) {
          balance += entry.amount
          expect([entry.seq, entry.balanceAfter]).toEqual([index + 1, balance])
        }
      }
    })
  })

  it("each entry's hash covers it and its predecessor's hash, 32 zero octets before the first", () => {
    forAll([anyLife], (life) => {
      const ledger = play(life)
      for (const user of users) {
        let previous = Buffer.alloc(32)
        for (const entry of ledger.entriesFor(user)) {
          const digest = createHash("sha256").update(previous).update(canonicalEntry(entry), "utf8").digest()
          expect(entry.hash).toBe(digest.toString("hex"))
          previous = digest
        }
        expect(ledger.account(user).hash).toBe(previous.toString("hex"))
      }
    })
  })

  it("balance, lots, debt and holds are sums: of entries, of a lot's entries, of those without a lot, of open holds", () => {
    forAll([anyLife], (life) => {
      play(life, ({ ledger }) => {
        for (const user of users) {
          const entries = ledger.entriesFor(user)
          const account = ledger.account(user)
          expect(account.balance).toBe(sum(entries))
          expect(account.debt).toBe(0 - sum(entries.filter((entry) => entry.lotId === null)))
          expect(account.debt).toBeGreaterThanOrEqual(0)
          expect(account.held).toBe(account.operations.reduce((held, it) => held + it.held, 0))
        }
        for (const lot of ledger.lots.values()) {
          expect(lot.remaining).toBe(sum(ledger.entries.filter((entry) => entry.lotId === lot.lotId)))
          expect(lot.remaining).toBeGreaterThanOrEqual(0)
          expect(lot.remaining).toBeLessThanOrEqual(lot.credits)
        }
      })
    })
  })

  it("what a user is told is what the ledger says", () => {
    forAll([anyLife], (life) => {
      play(life, ({ ledger }) => {
        for (const user of users) {
          const { activeLots, available, balance, debt, held } = ledger.balance(user)
          expect(available).toBe(balance - held)
          expect(activeLots.reduce((total, lot) => total + lot.creditsRemaining, 0) - debt).toBe(balance)
          expect(activeLots.every((lot) => lot.creditsRemaining > 0)).toBe(true)
        }
      })
    })
  })

  it("credits and debt never coexist", () => {
    forAll([anyLife], (life) => {
      play(life, ({ ledger }) => {
        for (const user of users) {
          const { balance, debt, lots } = ledger.account(user)
          if (debt > 0) expect([balance, lots]).toEqual([-debt, []])
        }
      })
    })
  })

  it("every entry is signed as its reason says", () => {
    const issues = ["purchase", "welcome", "promo", "manual", "reinstatement"]
    forAll([anyLife], (life) => {
      for (const entry of play(life).entries) {
        if (issues.includes(entry.reason)) expect([entry.amount > 0, entry.lotId === null]).toEqual([true, false])
        else if (entry.reason === "settlement") expect(entry.amount > 0).toBe(entry.lotId === null)
        else if (entry.reason === "adjustment") expect(entry.amount < 0 || entry.lotId !== null).toBe(true)
        else expect(entry.amount).toBeLessThan(0)
        if (entry.reason !== "debit") expect(entry.operationId).toBeNull()
        expect(entry.reason === "expiry" || entry.effectiveAt === entry.createdAt).toBe(true)
        expect(entry.effectiveAt).toBeLessThanOrEqual(entry.createdAt)
      }
    })
  })
})

describe("debt (rule 3)", () => {
  const indebted = (): Ledger => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 1))
    const { operationId } = operationOf(ledger.send(open("ada")))
    ledger.send(close(operationId, "35"))
    return ledger
  }
  const amounts = (ledger: Ledger, from: number) =>
    ledger
      .entriesFor("ada")
      .slice(from)
      .map(({ amount, balanceAfter, lotId, reason }) => [reason, amount, balanceAfter, lotId !== null])

  it("is what no lot covers of the work that was done: an entry without a lot", () => {
    const ledger = indebted()
    expect(amounts(ledger, 1)).toEqual([
      ["debit", -10, 0, true],
      ["debit", -25, -25, false]
    ])
    expect(ledger.balance("ada")).toMatchObject({ balance: -25, debt: 25, available: -25, activeLots: [] })
  })

  it("is repaid out of the next lot first, by two settlement entries", () => {
    const ledger = indebted()
    ledger.send(grant("ada", 40, 1))
    expect(amounts(ledger, 3)).toEqual([
      ["manual", 40, 15, true],
      ["settlement", -25, -10, true],
      ["settlement", 25, 15, false]
    ])
    expect(ledger.balance("ada")).toMatchObject({ balance: 15, debt: 0, activeLots: [{ creditsRemaining: 15 }] })
  })

  it("shrinks by a lot that is smaller than it, which is spent at once", () => {
    const ledger = indebted()
    ledger.send(grant("ada", 20, 1))
    expect(amounts(ledger, 3)).toEqual([
      ["manual", 20, -5, true],
      ["settlement", -20, -25, true],
      ["settlement", 20, -5, false]
    ])
    expect(ledger.balance("ada")).toMatchObject({ balance: -5, debt: 5, activeLots: [] })
  })

  it("of exactly a lot's credits leaves neither debt nor credits", () => {
    const ledger = indebted()
    ledger.send(grant("ada", 25, 1))
    expect(ledger.balance("ada")).toMatchObject({ balance: 0, debt: 0, activeLots: [] })
  })

  it("lets nothing new open", () => {
    const ledger = indebted()
    expect(ledger.send(open("ada")).error).toMatchObject({ _tag: "InsufficientBalance", available: -25, required: 1 })
    expect(ledger.send(open("ada", { estimatedAmount: "2" })).error).toMatchObject({ available: -25, required: 2 })
  })
})
