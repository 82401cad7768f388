import { type AccountState, available } from "@credit/domain/Account"
import { presentBalance } from "@credit/domain/decide/Balance"
import type { Command } from "@credit/domain/decide/Batch"
import { begin, settleDue } from "@credit/domain/decide/Booking"
import type { EntryState } from "@credit/domain/LedgerEntry"
import { DAY, HOUR } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { balanceOf, lotOf, operationOf } from "../support/Answers.ts"
import { cancel, close, grant, open } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger, START } from "../support/Ledger.ts"
import { bookDue, commandsOf, ledgerFor, moveOn, play, users, walk } from "../support/Walk.ts"

const forwardLife = walk({ clock: "forward" })
const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 3 })

/** What a user was told at an instant. */
interface Told {
  readonly userId: string
  readonly at: number
  readonly balance: number
  readonly lots: ReadonlyMap<string, number>
}

const ask = (ledger: Ledger, userId: string, at: number): Told => {
  const { activeLots, asOf, balance } = presentBalance(ledger.account(userId), ledger.settings.consumptionOrder, at)
  expect(Date.parse(asOf)).toBe(at)
  return { userId, at, balance, lots: new Map(activeLots.map((lot) => [lot.lotId, lot.creditsRemaining])) }
}

/** The same, from the entries that were in effect at that instant. */
const recall = (entries: ReadonlyArray<EntryState>, { at, userId }: Told): Told => {
  const inEffect = entries.filter((entry) => entry.userId === userId && entry.effectiveAt <= at)
  const lots = new Map<string, number>()
  let balance = 0
  for (const { amount, lotId } of inEffect) {
    balance += amount
    if (lotId !== null) lots.set(lotId, (lots.get(lotId) ?? 0) + amount)
  }
  return { userId, at, balance, lots: new Map([...lots].filter(([, remaining]) => remaining !== 0)) }
}

/** The instants at which something of the account becomes due. */
const dueInstants = ({ lots, operations }: AccountState): ReadonlyArray<number> =>
  [...lots, ...operations].map((it) => it.expiresAt)

describe("expiry needs no job to be true (rule 5): through any life of a merchant", () => {
  it("the balance asked for an instant later is the balance that was told then, lot by lot", () => {
    forAll([forwardLife, fractions], (life, moments) => {
      const ledger = ledgerFor(life)
      const sent: Array<Command> = []
      const told: Array<Told> = []
      for (const step of life.steps) {
        if (step.kind === "batch") {
          ledger.run(commandsOf(ledger, step.drafts, sent))
          continue
        }
        const from = ledger.now
        moveOn(ledger, step)
        for (const userId of users) {
          const instants = [
            ...moments.map((part) => from + Math.floor(part * (ledger.now - from))),
            ...dueInstants(ledger.account(userId)).flatMap((instant) => [instant - 1, instant])
          ]
          // What still happens at the very instant of asking may happen after it: so only what has passed is asked.
          for (const at of instants) if (at >= from && at < ledger.now) told.push(ask(ledger, userId, at))
        }
      }
      ledger.advance(60 * DAY)
      bookDue(ledger)
      for (const then of told) expect(recall(ledger.entries, then)).toEqual(then)
    })
  })

  it("booking at every instant ends as booking once, with the same expiries in effect at the same instants", () => {
    let partial = 0
    forAll([walk({ clock: "any" }), fractions], (life, moments) => {
      const ledger = play(life)
      for (const userId of users) {
        const start = ledger.account(userId)
        const due = dueInstants(start)
        const last = Math.max(start.lastAt, ...due)
        const between = moments.map((part) => start.lastAt + Math.floor(part * (last - start.lastAt)))
        const instants = [...due, ...between].filter((it) => it >= start.lastAt).sort((a, b) => a - b)
        let account = start
        const booked: Array<EntryState> = []
        for (const instant of instants) {
          const step = settleDue(begin(account, instant, ledger.newId))
          account = step.account
          booked.push(...step.entries)
          const once = settleDue(begin(start, instant, ledger.newId))
          expect(essence(once.account)).toEqual(essence(account))
          expect(once.entries.map(loss)).toEqual(booked.map(loss))
          // Only what no hold needs expires; and all of that does.
          if (step.entries.length > 0) expect(available(account)).toBeGreaterThanOrEqual(0)
          if (account.lots.some((lot) => lot.expiresAt <= instant)) {
            expect(available(account)).toBeLessThanOrEqual(0)
            partial += 1
          }
        }
        expect([account.held, account.lots]).toEqual([0, []])
      }
    })
    expect(partial, "due lots kept by holds").toBeGreaterThan(0)
  })

  it("a lot never gives up more than it has, and expires to nothing once no hold is left", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      ledger.advance(60 * DAY)
      bookDue(ledger)
      for (const lot of ledger.lots.values()) {
        const given = ledger.entries.filter((entry) => entry.lotId === lot.lotId && entry.amount < 0)
        expect(given.reduce((total, entry) => total - entry.amount, 0)).toBe(lot.credits)
        expect(lot.remaining).toBe(0)
      }
      for (const userId of users) expect(ledger.balance(userId)).toMatchObject({ held: 0, activeLots: [] })
    })
  })

  it("due lots keep what open holds need beyond the other lots, and not a credit more", () => {
    forAll([walk({ clock: "any" })], (life) => {
      play(life, ({ ledger }) => {
        for (const userId of users) {
          const { activeLots, asOf, available: free, held } = ledger.balance(userId)
          const total = (due: boolean) =>
            activeLots
              .filter((lot) => Date.parse(lot.expiresAt) <= Date.parse(asOf) === due)
              .reduce((credits, lot) => credits + lot.creditsRemaining, 0)
          if (total(true) === 0) continue
          expect(total(true)).toBeLessThanOrEqual(held - total(false))
          expect(free).toBeLessThanOrEqual(0)
        }
      })
    })
  })

  it("from its expiry on a lot is open to nothing new", () => {
    let opened = 0
    forAll([walk({ clock: "any", batch: 1 })], (life) => {
      play(life, ({ answers, commands, ledger }) => {
        const [command] = commands
        if (command?.intent.type !== "Operation.Open" || answers[0]?.tag !== "Decided") return
        if (answers[0].outcome !== "succeeded" || command.dryRun) return
        const { activeLots, asOf, available: free } = ledger.balance(command.intent.payload.userId)
        expect(activeLots.filter((lot) => Date.parse(lot.expiresAt) <= Date.parse(asOf))).toEqual([])
        expect(free).toBeGreaterThanOrEqual(0)
        opened += 1
      })
    })
    expect(opened, "operations opened").toBeGreaterThan(0)
  })
})

/** What booking leaves, apart from ids, hashes and the instants of booking. */
const essence = ({ balance, debt, held, lots, operations }: AccountState) => ({
  balance,
  debt,
  held,
  lots: lots.map(({ lotId, remaining }) => [lotId, remaining]),
  operations: operations.map((it) => it.operationId)
})

const loss = ({ amount, effectiveAt, lotId, reason }: EntryState) => ({ amount, effectiveAt, lotId, reason })

describe("a lot", () => {
  it("is spendable until the millisecond before its expiry, and gone from it on", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 1))
    ledger.advance(DAY - 1)
    expect(ledger.balance("ada").balance).toBe(10)
    ledger.advance(1)
    expect(ledger.balance("ada")).toMatchObject({ balance: 0, activeLots: [] })
    expect(ledger.send(open("ada")).outcome).toBe("InsufficientBalance")
    expect(ledger.entriesFor("ada").at(-1)).toMatchObject({
      reason: "expiry",
      amount: -10,
      operationType: "expiry",
      resourceAmount: "10",
      resourceUnit: "CREDIT",
      effectiveAt: START + DAY,
      createdAt: START + DAY
    })
  })

  it("booked late still expires at its own instant", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 1))
    ledger.advance(9 * DAY)
    ledger.send(grant("ada", 5, 1))
    expect(ledger.entriesFor("ada").map((it) => [it.reason, it.effectiveAt, it.createdAt])).toEqual([
      ["manual", START, START],
      ["expiry", START + DAY, START + 9 * DAY],
      ["manual", START + 9 * DAY, START + 9 * DAY]
    ])
  })

  it("lives 24 hours for each day of its access period", () => {
    const ledger = new Ledger()
    expect(lotOf(ledger.send(grant("ada", 10, 365)))).toMatchObject({
      issuedAt: "2026-01-01T00:00:00.000Z",
      expiresAt: "2027-01-01T00:00:00.000Z"
    })
  })
})

describe("a due lot that holds keep", () => {
  /** A lot of 20 that is due after a day, all of it held by an operation that is open for three. */
  const held = () => {
    const ledger = new Ledger()
    const lot = lotOf(ledger.send(grant("ada", 20, 1)))
    const { operationId } = operationOf(
      ledger.send(open("ada", { estimatedAmount: "20", timeoutMinutes: 3 * 24 * 60 }))
    )
    ledger.advance(2 * DAY)
    return { ledger, lot, operationId }
  }

  it("serves the work that held it; what the work leaves expires at the close, not before", () => {
    const { ledger, operationId } = held()
    expect(ledger.balance("ada")).toMatchObject({ balance: 20, held: 20 })
    expect(balanceOf(ledger.send(close(operationId, "5"))).balance).toBe(0)
    const [, debit, expiry] = ledger.entriesFor("ada")
    expect(debit).toMatchObject({ reason: "debit", amount: -5 })
    expect(expiry).toMatchObject({ reason: "expiry", amount: -15, effectiveAt: START + 2 * DAY })
  })

  it("expires at a cancel, not before", () => {
    const { ledger, operationId } = held()
    ledger.send(cancel(operationId))
    expect(ledger.entriesFor("ada").at(-1)).toMatchObject({ amount: -20, effectiveAt: START + 2 * DAY })
    expect(ledger.balance("ada")).toMatchObject({ balance: 0, held: 0 })
  })

  it("expires when new credits can serve the hold instead, not before", () => {
    const { ledger, lot } = held()
    ledger.send(grant("ada", 30, 1))
    const expiry = ledger.entriesFor("ada").at(-1)
    expect(expiry).toMatchObject({ lotId: lot.lotId, amount: -20, effectiveAt: START + 2 * DAY })
    expect(ledger.balance("ada")).toMatchObject({ balance: 30, held: 20, available: 10 })
  })

  it("expires when the operation does, at that instant", () => {
    const { ledger } = held()
    ledger.advance(5 * DAY)
    bookDue(ledger)
    expect(ledger.entriesFor("ada").at(-1)).toMatchObject({ amount: -20, effectiveAt: START + 3 * DAY })
  })

  it("gives up its credits hold by hold, never more than it has left", () => {
    const ledger = new Ledger()
    const due = lotOf(ledger.send(grant("ada", 100, 1)))
    ledger.send(grant("ada", 100, 5))
    ledger.send(open("ada", { estimatedAmount: "40", timeoutMinutes: 2 * 24 * 60 }))
    ledger.send(open("ada", { estimatedAmount: "110", timeoutMinutes: 3 * 24 * 60 }))
    ledger.advance(4 * DAY)
    expect(ledger.balance("ada").balance).toBe(100)
    bookDue(ledger)
    const expiries = ledger.entriesFor("ada").filter((entry) => entry.reason === "expiry")
    expect(expiries.map(({ amount, effectiveAt, lotId }) => [lotId, amount, effectiveAt])).toEqual([
      [due.lotId, -50, START + DAY],
      [due.lotId, -40, START + 2 * DAY],
      [due.lotId, -10, START + 3 * DAY]
    ])
  })

  it("is kept in part: of several due lots the earliest expires first", () => {
    const ledger = new Ledger()
    const first = lotOf(ledger.send(grant("ada", 10, 1)))
    ledger.advance(HOUR)
    const second = lotOf(ledger.send(grant("ada", 10, 1)))
    ledger.send(open("ada", { estimatedAmount: "12", timeoutMinutes: 3 * 24 * 60 }))
    ledger.advance(DAY)
    expect(ledger.balance("ada")).toMatchObject({
      balance: 12,
      available: 0,
      activeLots: [
        { lotId: first.lotId, creditsRemaining: 2 },
        { lotId: second.lotId, creditsRemaining: 10 }
      ]
    })
  })
})
