import type { CreditPromiseClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { DONE, EVER, plusHours, type Sandbox, startSandbox } from "../utils/Sandbox.ts"

describe("Balances and statements of the past", () => {
  let sandbox: Sandbox
  let app: CreditPromiseClient
  beforeAll(async () => {
    sandbox = await startSandbox(inject("adminUrl"))
    app = sandbox.app
  })
  afterAll(() => sandbox.close())

  describe("a balance asked for later", () => {
    it("is the balance that was told then, also between an expiry and its booking", async () => {
      const told: Array<Awaited<ReturnType<typeof app.getUserBalance>>> = []
      const tell = async () => void told.push(await app.getUserBalance({ userId: "past" }))
      await sandbox.grant("past", 100, 1)
      await tell()
      const { operationId } = await sandbox.open("past", "70") // holds 40
      await sandbox.advance(12)
      await tell()
      await app.operation.extend({ operationId, timeoutMinutes: 1440 }).catch(() => undefined)
      await sandbox.advance(13)
      await tell() // the lot has expired, nobody booked it
      const unbooked = await app.getBalanceAt({ userId: "past", at: told[2]?.asOf ?? "" })
      expect(unbooked.balance).toBe(told[2]?.balance)
      await sandbox.grant("past", 5)
      await tell()
      await sandbox.finish((await sandbox.open("past")).operationId, "15") // 9
      await tell() // in debt
      for (const { asOf, balance, debt, userId } of told) {
        expect(await app.getBalanceAt({ userId, at: asOf })).toEqual({
          userId,
          at: asOf,
          balance,
          debt,
          currency: "credits"
        })
      }
      expect(told.map(({ balance }) => balance)).toEqual([100, 100, 0, 5, -4])
    })

    it("is nothing before the first entry and for a stranger, and is refused for a time to come", async () => {
      expect(await app.getBalanceAt({ userId: "past", at: EVER })).toMatchObject({ balance: 0, debt: 0 })
      expect(await app.getBalanceAt({ userId: "nobody", at: EVER })).toMatchObject({ balance: 0 })
      await expect(app.getBalanceAt({ userId: "past", at: "2400-01-01T00:00:00Z" })).rejects.toMatchObject({
        _tag: "InvalidRequest",
        field: "at"
      })
    })

    it("is told right at every instant of a random history, and every statement between two of them ties out", async () => {
      const seed = Math.floor(Math.random() * 2 ** 31)
      const random = generator(seed)
      const pick = (count: number) => Math.floor(random() * count)
      const told: Array<{ readonly asOf: string; readonly balance: number }> = []
      const opened: Array<string> = []
      for (let step = 0; step < 60; step++) {
        const kind = pick(6)
        if (kind <= 1) await sandbox.grant("walker", 1 + pick(60), 1 + pick(3))
        if (kind === 2) await app.operation.open(estimate(1 + pick(20))).then(remember, () => undefined)
        if (kind === 3 && opened.length > 0)
          await sandbox.finish(opened.pop() ?? "", `${pick(40)}`).catch(() => undefined)
        if (kind >= 4) await sandbox.advance(1 + pick(20))
        told.push(await app.getUserBalance({ userId: "walker" }))
      }
      function estimate(amount: number) {
        const timeoutMinutes = 30 + pick(1000)
        return { userId: "walker", operationTypeCode: "api_call", estimatedAmount: `${amount}`, timeoutMinutes }
      }
      function remember({ operation }: { operation: { operationId: string } }) {
        opened.push(operation.operationId)
      }
      const last = new Map(told.map((it) => [it.asOf, it]))
      for (const { asOf, balance } of last.values()) {
        const asked = await app.getBalanceAt({ userId: "walker", at: asOf })
        expect(asked.balance, `seed ${seed}, at ${asOf}`).toBe(balance)
      }
      const cuts = [
        EVER,
        ...Array.from({ length: 6 }, () => told[pick(told.length)]?.asOf ?? EVER).sort(),
        await sandbox.later()
      ]
      let expected = 0
      for (const [index, from] of cuts.slice(0, -1).entries()) {
        const to = cuts[index + 1] ?? from
        if (Date.parse(to) <= Date.parse(from)) continue
        for (const span of spans(from, to)) {
          const { closing, opening, sum, totals } = await wholeStatement("walker", span.from, span.to, 3)
          expect(opening, `seed ${seed}, from ${span.from}`).toBe(expected)
          expect(opening + sum, `seed ${seed}, to ${span.to}`).toBe(closing)
          expect(opening + totals, `seed ${seed}, totals to ${span.to}`).toBe(closing)
          expected = closing
        }
      }
      expect(expected).toBe((await app.getUserBalance({ userId: "walker" })).balance)
      expect(told.some((it, index) => it.balance < (told[index - 1]?.balance ?? 0))).toBe(true)
    })
  })

  /** A statement is of 366 days at most. */
  const spans = (from: string, to: string) => {
    const found = []
    for (let at = from; Date.parse(at) < Date.parse(to); at = plusHours(at, 8000)) {
      found.push({ from: at, to: Date.parse(plusHours(at, 8000)) < Date.parse(to) ? plusHours(at, 8000) : to })
    }
    return found
  }

  const wholeStatement = async (userId: string, from: string, to: string, limit: number) => {
    const first = await app.getStatement({ userId, from, to, limit })
    const pages = [first]
    for (let cursor = first.nextCursor; cursor !== undefined; cursor = pages.at(-1)?.nextCursor) {
      pages.push(await app.getStatement({ userId, from, to, limit, cursor }))
    }
    const movements = pages.flatMap(({ due, entries }) => [...entries, ...due])
    const add = (sum: number, { amount }: { readonly amount: number }) => sum + amount
    expect(
      pages.every(
        ({ opening, closing, asOf }) =>
          `${opening} ${closing} ${asOf}` === `${first.opening} ${first.closing} ${first.asOf}`
      )
    ).toBe(true)
    return { ...first, pages, movements, sum: movements.reduce(add, 0), totals: (first.totals ?? []).reduce(add, 0) }
  }

  describe("a statement", () => {
    it("has an expiry in the period in which it became true, before and after it is booked", async () => {
      const begin = (await sandbox.grant("stated", 50, 1)).lot.issuedAt
      await sandbox.advance(30)
      const [from, to] = [plusHours(begin, 24), plusHours(begin, 26)]
      const before = await app.getStatement({ userId: "stated", from, to })
      expect(before).toMatchObject({ opening: 50, closing: 0, complete: true, entries: [] })
      expect(before.due).toMatchObject([{ amount: -50, effectiveAt: from }])
      expect(before.totals).toEqual([{ reason: "expiry", entries: 1, amount: -50 }])
      await sandbox.grant("stated", 7)
      const booked = await app.getStatement({ userId: "stated", from, to })
      expect(booked).toMatchObject({ opening: 50, closing: 0, complete: true, due: [], totals: before.totals })
      expect(booked.entries).toMatchObject([{ reason: "expiry", amount: -50, effectiveAt: before.due[0]?.effectiveAt }])
      const next = await app.getStatement({ userId: "stated", from: to, to: plusHours(to, 100) })
      expect(next).toMatchObject({ opening: 0, closing: 7, complete: false })
    })

    it("keeps its end on further pages while entries are added", async () => {
      await sandbox.grant("paged", 100)
      const from = EVER.replace("2020", "2026")
      const to = plusHours(from, 8700)
      for (let index = 0; index < 4; index++) await sandbox.work("paged", "1")
      const first = await app.getStatement({ userId: "paged", from, to, limit: 2 })
      await sandbox.work("paged", "10")
      const second = await app.getStatement({ userId: "paged", from, to, limit: 500, cursor: first.nextCursor ?? "" })
      expect([...first.entries, ...second.entries].map(({ amount }) => amount)).toEqual([100, -1, -1, -1, -1])
      expect(second).toMatchObject({ opening: 0, closing: 96, asOf: first.asOf })
      expect(second.nextCursor).toBeUndefined()
    })

    it("is refused for a period that is none, too long, or still to come", async () => {
      const ask = (from: string, to: string) => app.getStatement({ userId: "paged", from, to })
      await expect(ask(DONE, DONE)).rejects.toMatchObject({ _tag: "InvalidRequest", field: "to" })
      await expect(ask(DONE, plusHours(DONE, 8785))).rejects.toMatchObject({ _tag: "InvalidRequest", field: "to" })
      await expect(ask("2400-01-01T00:00:00Z", "2400-01-02T00:00:00Z")).rejects.toMatchObject({ field: "from" })
    })
  })
})

/** A generator of numbers in [0, 1) that a seed replays (mulberry32). */
const generator = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
