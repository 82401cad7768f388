import { HOUR, MINUTE, timestampText } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { lotOf, operationOf } from "../support/Answers.ts"
import { advanceClock, close, grant, open, purchase } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger, START } from "../support/Ledger.ts"
import { play, users, walk } from "../support/Walk.ts"

describe("time (rule 8)", () => {
  it("never goes back within an account, though the clock does", () => {
    forAll([walk({ clock: "any" })], (life) => {
      const ledger = play(life)
      for (const userId of users) {
        const entries = ledger.entriesFor(userId)
        for (const [index, entry] of entries.entries()) {
          expect(entry.createdAt).toBeGreaterThanOrEqual(entries[index - 1]?.createdAt ?? 0)
        }
        const operations = [...ledger.operations.values()].filter((it) => it.userId === userId)
        const instants = [
          ...entries.map((entry) => entry.createdAt),
          ...operations.flatMap((it) => [it.openedAt, it.closedAt ?? 0, it.updatedAt])
        ]
        expect(ledger.account(userId).lastAt).toBe(Math.max(0, ...instants))
        expect(Date.parse(ledger.balance(userId).asOf)).toBe(Math.max(ledger.now, ...instants))
      }
    })
  })

  it("of an account stands still until the clock has caught up; other accounts go by the clock", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 1))
    ledger.advance(-HOUR)
    expect(lotOf(ledger.send(grant("ada", 10, 1))).issuedAt).toBe(timestampText(START))
    expect(lotOf(ledger.send(grant("bob", 10, 1))).issuedAt).toBe(timestampText(START - HOUR))
    expect(operationOf(ledger.send(open("ada"))).openedAt).toBe(timestampText(START))
    ledger.advance(2 * HOUR)
    expect(operationOf(ledger.send(open("ada", { estimatedAmount: "1" }))).openedAt).toBe(timestampText(START + HOUR))
  })

  it("does not bring back a lot that expired before the clock went back", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 1))
    ledger.advance(24 * HOUR)
    ledger.send(open("ada"))
    ledger.advance(-HOUR)
    expect(ledger.balance("ada").balance).toBe(0)
  })

  it("is the service's, not the client's: a client's instants are at most 5 minutes ahead", () => {
    const ledger = new Ledger()
    const inTime = timestampText(START + 5 * MINUTE)
    const ahead = timestampText(START + 5 * MINUTE + 1)
    const field = (given: { orderPlacedAt?: string; settledAt?: string }) => {
      const answer = ledger.send(purchase("ada", `ref-${JSON.stringify(given)}`, given))
      return answer.error?.field ?? answer.outcome
    }
    expect(field({ orderPlacedAt: ahead })).toBe("settlementData.orderPlacedAt")
    expect(field({ settledAt: ahead })).toBe("settlementData.settledAt")
    expect(field({ orderPlacedAt: inTime, settledAt: inTime })).toBe("succeeded")
    const { operationId } = operationOf(ledger.send(open("ada")))
    expect(ledger.send(close(operationId, "1", { completedAt: ahead })).error).toMatchObject({ field: "completedAt" })
    expect(ledger.send(close(operationId, "1", { completedAt: inTime })).outcome).toBe("succeeded")
  })

  it("of a client, however long ago, moves nothing in the ledger", () => {
    const ledger = new Ledger()
    const lot = lotOf(ledger.send(purchase("ada", "ref", { settledAt: "1971-01-01T00:00:00Z" })))
    expect(lot.issuedAt).toBe(timestampText(START))
    const { operationId } = operationOf(ledger.send(open("ada")))
    ledger.send(close(operationId, "1", { completedAt: "1971-01-01T00:00:00Z" }))
    expect(ledger.entries.map((entry) => entry.createdAt)).toEqual([START, START])
    expect(ledger.operations.get(operationId)).toMatchObject({ closedAt: START, completedAt: 31_536_000_000 })
  })
})

describe("the clock of a sandbox", () => {
  it("moves forward by hours, and what is due by then is due", () => {
    const ledger = new Ledger({ sandbox: true })
    ledger.send(grant("ada", 10, 365))
    expect(ledger.send(advanceClock(8759)).value?.now).toBe("2026-12-31T23:00:00.000Z")
    expect(ledger.balance("ada").balance).toBe(10)
    ledger.send(advanceClock(1))
    expect(ledger.balance("ada").balance).toBe(0)
    expect(ledger.clockOffsetHours).toBe(8760)
  })

  it("moves by both of two commands that come together, and what follows in their batch comes after", () => {
    const ledger = new Ledger({ sandbox: true })
    const { answers } = ledger.run([advanceClock(1), advanceClock(2), grant("ada", 10, 1)])
    expect(answers[1]?.value?.now).toBe(timestampText(START + 3 * HOUR))
    expect(ledger.clockOffsetHours).toBe(3)
    expect(ledger.now).toBe(START + 3 * HOUR)
    expect(answers[2]?.value?.lot?.issuedAt).toBe(timestampText(START + 3 * HOUR))
  })

  it("goes no further than a million hours ahead", () => {
    const ledger = new Ledger({ sandbox: true })
    ledger.send(advanceClock(876_000))
    expect(ledger.send(advanceClock(124_001)).error).toMatchObject({ _tag: "InvalidRequest", field: "hours" })
    expect(ledger.send(advanceClock(124_000)).outcome).toBe("succeeded")
    expect(ledger.send(advanceClock(1)).outcome).toBe("InvalidRequest")
    expect(ledger.clockOffsetHours).toBe(1_000_000)
  })

  it("is the only one that can be moved", () => {
    const ledger = new Ledger()
    expect(ledger.send(advanceClock(1)).outcome).toBe("NotASandbox")
    expect([ledger.now, ledger.clockOffsetHours]).toEqual([START, 0])
  })
})
