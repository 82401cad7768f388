import { cost } from "@credit/domain/Cost"
import { HOUR, MINUTE } from "@credit/domain/Timestamp"
import * as BigDecimal from "effect/BigDecimal"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Answer, balanceOf, entriesOf, operationOf } from "../support/Answers.ts"
import { cancel, close, extend, grant, open } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { play, walk } from "../support/Walk.ts"

const NOBODYS = "00000000-0000-7000-8000-ffffffffffff"

const funded = (credits: number, settings: ConstructorParameters<typeof Ledger>[0] = {}): Ledger => {
  const ledger = new Ledger(settings)
  ledger.send(grant("ada", credits, 30))
  return ledger
}
const idOf = (answer: Answer): string => operationOf(answer).operationId
const outcomes = (answers: ReadonlyArray<Answer>) => answers.map((answer) => answer.outcome)

describe("opening with an estimate", () => {
  it("holds the estimate's cost, which new operations may not claim", () => {
    const ledger = funded(500)
    const answer = ledger.send(open("ada", { operationTypeCode: "minutes", estimatedAmount: "100.00" }))
    expect(operationOf(answer)).toMatchObject({
      status: "open",
      capturedRate: "1.11",
      resourceUnit: "MINUTES",
      estimatedAmount: "100",
      held: 111,
      openedAt: "2026-01-01T00:00:00.000Z",
      expiresAt: "2026-01-01T01:00:00.000Z",
      late: false
    })
    expect(ledger.balance("ada")).toMatchObject({ balance: 500, held: 111, available: 389 })
  })

  it.each([
    { how: "in one batch", batches: 1 },
    { how: "one after the other", batches: 20 }
  ])("of twenty that hold 75 each, exactly six fit into 500 credits, $how", ({ batches }) => {
    const ledger = funded(500)
    const commands = Array.from({ length: 20 }, () => open("ada", { estimatedAmount: "75" }))
    const answers = batches === 1 ? ledger.run(commands).answers : commands.map((command) => ledger.send(command))
    const expected = commands.map((_, index) => (index < 6 ? "succeeded" : "InsufficientBalance"))
    expect(outcomes(answers)).toEqual(expected)
    expect(answers.at(-1)?.error).toMatchObject({ available: 50, required: 75 })
    expect(ledger.balance("ada")).toMatchObject({ balance: 500, held: 450, available: 50 })
  })

  it("may claim the last credit", () => {
    const ledger = funded(75)
    expect(ledger.send(open("ada", { estimatedAmount: "76" })).outcome).toBe("InsufficientBalance")
    expect(ledger.send(open("ada", { estimatedAmount: "75" })).outcome).toBe("succeeded")
    expect(ledger.send(open("ada", { estimatedAmount: "0" })).error).toMatchObject({ available: 0, required: 1 })
  })

  it("of nothing holds 1, the least that work costs", () => {
    const ledger = funded(5)
    expect(operationOf(ledger.send(open("ada", { estimatedAmount: "0" }))).held).toBe(1)
    expect(operationOf(ledger.send(open("ada", { operationTypeCode: "free", estimatedAmount: "9" }))).held).toBe(1)
  })

  it("goes in parallel up to the merchant's maxOpenOperations", () => {
    const ledger = funded(500, { maxOpenOperations: 2 })
    const one = () => open("ada", { estimatedAmount: "1" })
    const answers = ledger.run([one(), one(), one()]).answers
    expect(answers[2]?.error).toMatchObject({ _tag: "OperationUnavailable", reason: "too_many_open" })
    expect(ledger.send(open("ada")).outcome).toBe("succeeded")
    ledger.send(cancel(answers[0] === undefined ? NOBODYS : idOf(answers[0])))
    expect(ledger.send(one()).outcome).toBe("succeeded")
    expect(ledger.send(one()).outcome).toBe("OperationUnavailable")
    ledger.advance(HOUR)
    expect(ledger.send(one()).outcome).toBe("succeeded")
  })
})

describe("opening without an estimate", () => {
  it("holds nothing, and is one at a time: a second names the first", () => {
    const ledger = funded(5)
    const first = operationOf(ledger.send(open("ada", { workflowId: "flow-1" })))
    expect(first.held).toBe(0)
    expect(ledger.send(open("ada")).error).toMatchObject({
      _tag: "OperationUnavailable",
      reason: "user_busy",
      operation: first
    })
    expect(ledger.send(open("ada", { estimatedAmount: "5" })).outcome).toBe("succeeded")
    ledger.send(cancel(first.operationId))
    expect(ledger.send(open("ada")).error).toMatchObject({ _tag: "InsufficientBalance", available: 0, required: 1 })
  })

  it("is free again once the first has expired", () => {
    const ledger = funded(5)
    ledger.send(open("ada", { timeoutMinutes: 1 }))
    ledger.advance(MINUTE - 1)
    expect(ledger.send(open("ada")).outcome).toBe("OperationUnavailable")
    ledger.advance(1)
    expect(ledger.send(open("ada")).outcome).toBe("succeeded")
  })
})

describe("opening", () => {
  it("needs a rate in force, and a timeout within the merchant's maximum", () => {
    const ledger = funded(5, { operationTimeoutMaxMinutes: 90, operationTimeoutMinutes: 30 })
    expect(ledger.send(open("ada", { operationTypeCode: "unheard-of" })).error).toMatchObject({
      _tag: "OperationUnavailable",
      reason: "operation_type_inactive"
    })
    expect(ledger.send(open("ada", { timeoutMinutes: 91 })).error).toMatchObject({
      _tag: "InvalidRequest",
      field: "timeoutMinutes"
    })
    expect(operationOf(ledger.send(open("ada", { estimatedAmount: "1" }))).expiresAt).toBe("2026-01-01T00:30:00.000Z")
    expect(operationOf(ledger.send(open("ada", { timeoutMinutes: 90 }))).expiresAt).toBe("2026-01-01T01:30:00.000Z")
  })
})

describe("closing", () => {
  it("costs by the rate captured at the opening, whatever the rate is since (rule 7)", () => {
    const rate = fc.constantFrom("0", "0.000001", "0.57", "1", "1.11", "250", "999999.999999")
    const amount = fc.nat({ max: 100_000 }).map((n) => `${n / 100}`)
    forAll([rate, rate, amount], (before, after, resourceAmount) => {
      const lives = [before, after].map((rateLater) => {
        const ledger = funded(1000)
        ledger.setRate("tokens", before)
        const operation = idOf(ledger.send(open("ada", { operationTypeCode: "tokens" })))
        ledger.setRate("tokens", rateLater)
        const answer = ledger.send(close(operation, resourceAmount))
        expect(entriesOf(answer).every((entry) => entry.capturedRate === before)).toBe(true)
        return [operationOf(answer).finalCost, balanceOf(answer)]
      })
      expect(lives[1]).toEqual(lives[0])
    })
  })

  it("releases the hold and debits the cost, below the hold or beyond hold and balance", () => {
    const ledger = funded(100)
    const [small, large] = [0, 0].map(() => idOf(ledger.send(open("ada", { estimatedAmount: "30" }))))
    expect(balanceOf(ledger.send(close(small ?? "", "10")))).toMatchObject({ balance: 90, held: 30, available: 60 })
    const answer = ledger.send(close(large ?? "", "120"))
    expect(operationOf(answer)).toMatchObject({ status: "closed", finalCost: 120, late: false, held: 30 })
    expect(entriesOf(answer).map((it) => [it.amount, it.lotId !== undefined])).toEqual([
      [-90, true],
      [-30, false]
    ])
    expect(balanceOf(answer)).toMatchObject({ balance: -30, held: 0, debt: 30, available: -30 })
  })

  it("takes even what other operations hold: their work still closes", () => {
    const ledger = funded(100)
    const [a, b] = [0, 0].map(() => idOf(ledger.send(open("ada", { estimatedAmount: "50" }))))
    expect(balanceOf(ledger.send(close(a ?? "", "80")))).toMatchObject({ balance: 20, held: 50, available: -30 })
    expect(ledger.send(open("ada", { estimatedAmount: "0" })).outcome).toBe("InsufficientBalance")
    expect(balanceOf(ledger.send(close(b ?? "", "50")))).toMatchObject({ balance: -30, held: 0, debt: 30 })
  })

  it("needs the unit and the workflow of the opening, where they are given", () => {
    const ledger = funded(100)
    const operation = idOf(ledger.send(open("ada", { operationTypeCode: "minutes", workflowId: "flow-1" })))
    const field = (answer: Answer) => [answer.outcome, answer.error?.field]
    expect(field(ledger.send(close(operation, "1", { resourceUnit: "HOURS" })))).toEqual([
      "InvalidRequest",
      "resourceUnit"
    ])
    expect(field(ledger.send(close(operation, "1", { workflowId: "flow-2" })))).toEqual([
      "InvalidRequest",
      "workflowId"
    ])
    expect(ledger.balance("ada").balance).toBe(100)
    const closing = ledger.send(close(operation, "1", { resourceUnit: "MINUTES", workflowId: "flow-1" }))
    expect(entriesOf(closing)).toMatchObject([{ workflowId: "flow-1", operationType: "minutes", resourceAmount: "1" }])
  })

  it("may name the workflow, if the opening named none", () => {
    const ledger = funded(100)
    const operation = idOf(ledger.send(open("ada")))
    const closing = ledger.send(close(operation, "1", { workflowId: "flow-2" }))
    expect(entriesOf(closing)).toMatchObject([{ workflowId: "flow-2" }])
  })

  it("is for one's own operations: another is not found", () => {
    const ledger = funded(100)
    const answers = [close(NOBODYS, "1"), cancel(NOBODYS), extend(NOBODYS, 5)].map((command) => ledger.send(command))
    expect(outcomes(answers)).toEqual(["OperationNotFound", "OperationNotFound", "OperationNotFound"])
  })
})

describe("closing late", () => {
  const expired = (lateCloseHours: number) => {
    const ledger = funded(100, { lateCloseHours })
    const operation = idOf(ledger.send(open("ada", { estimatedAmount: "40", timeoutMinutes: 60 })))
    ledger.advance(HOUR)
    return { ledger, operation }
  }

  it("is accepted until lateCloseHours after the expiry, and marked; the hold is gone since the expiry", () => {
    const { ledger, operation } = expired(24)
    expect(ledger.balance("ada")).toMatchObject({ held: 0, available: 100 })
    ledger.advance(24 * HOUR)
    const answer = ledger.send(close(operation, "40"))
    expect(operationOf(answer)).toMatchObject({ status: "closed", late: true, finalCost: 40 })
    expect(balanceOf(answer)).toMatchObject({ balance: 60, held: 0 })
  })

  it("is refused from then on", () => {
    const { ledger, operation } = expired(24)
    ledger.advance(24 * HOUR + 1)
    expect(ledger.send(close(operation, "40")).error).toMatchObject({
      _tag: "OperationExpired",
      expiresAt: "2026-01-01T01:00:00.000Z"
    })
    expect(ledger.balance("ada").balance).toBe(100)
  })

  it("is never accepted where lateCloseHours is 0, from the very expiry on", () => {
    const { ledger, operation } = expired(0)
    expect(ledger.send(close(operation, "40")).outcome).toBe("OperationExpired")
  })

  it("is not marked a millisecond before the expiry", () => {
    const { ledger, operation } = expired(0)
    ledger.advance(-1)
    expect(operationOf(ledger.send(close(operation, "40"))).late).toBe(false)
  })

  it("works the same whether the expiry was booked before or not", () => {
    const lives = [true, false].map((bookedBefore) => {
      const { ledger, operation } = expired(24)
      ledger.advance(HOUR)
      if (bookedBefore) ledger.send(open("ada", { operationTypeCode: "unheard-of" }))
      const answer = ledger.send(close(operation, "40"))
      return [operationOf(answer), balanceOf(answer)]
    })
    expect(lives[1]).toEqual(lives[0])
  })
})

describe("cancelling", () => {
  it("releases the hold and charges nothing, once", () => {
    const ledger = funded(100)
    const operation = idOf(ledger.send(open("ada", { estimatedAmount: "40" })))
    expect(operationOf(ledger.send(cancel(operation, { reason: "user left" }))).status).toBe("cancelled")
    expect(ledger.operations.get(operation)).toMatchObject({ status: "cancelled", cancelReason: "user left" })
    expect(ledger.balance("ada")).toMatchObject({ balance: 100, held: 0 })
    for (const command of [cancel(operation), close(operation, "1"), extend(operation, 120)]) {
      expect(ledger.send(command).error).toMatchObject({ _tag: "OperationClosed", status: "cancelled" })
    }
  })

  it("is too late once the operation has expired or closed", () => {
    const ledger = funded(100)
    const [a, b] = [0, 0].map(() => idOf(ledger.send(open("ada", { estimatedAmount: "10" }))))
    ledger.send(close(a ?? "", "5"))
    expect(ledger.send(cancel(a ?? "")).error).toMatchObject({ _tag: "OperationClosed", status: "closed" })
    ledger.advance(HOUR)
    expect(ledger.send(cancel(b ?? "")).outcome).toBe("OperationExpired")
  })
})

describe("extending", () => {
  const opened = () => {
    const ledger = funded(100, { operationTimeoutMaxMinutes: 180 })
    const operation = idOf(ledger.send(open("ada", { estimatedAmount: "10", timeoutMinutes: 60 })))
    ledger.advance(30 * MINUTE)
    return { ledger, operation }
  }

  it("moves the expiry to so many minutes from now, up to the maximum counted from the opening", () => {
    const { ledger, operation } = opened()
    expect(operationOf(ledger.send(extend(operation, 31))).expiresAt).toBe("2026-01-01T01:01:00.000Z")
    expect(operationOf(ledger.send(extend(operation, 150))).expiresAt).toBe("2026-01-01T03:00:00.000Z")
    expect(ledger.send(extend(operation, 151)).error).toMatchObject({ field: "timeoutMinutes" })
    ledger.advance(2 * HOUR)
    expect(ledger.balance("ada").held).toBe(10)
    ledger.advance(30 * MINUTE)
    expect(ledger.balance("ada").held).toBe(0)
  })

  it("never moves it earlier, nor leaves it where it is", () => {
    const { ledger, operation } = opened()
    for (const timeout of [1, 29, 30]) {
      expect(ledger.send(extend(operation, timeout)).error).toMatchObject({ field: "timeoutMinutes" })
    }
  })

  it("does not wake an operation that has expired", () => {
    const { ledger, operation } = opened()
    ledger.advance(30 * MINUTE)
    expect(ledger.send(extend(operation, 60)).outcome).toBe("OperationExpired")
  })
})

it("an operation holds the cost of its estimate and is charged the cost of its work (rule 6), in any life", () => {
  const costOf = (amount: string, rate: string) =>
    cost(BigDecimal.fromStringUnsafe(amount), BigDecimal.fromStringUnsafe(rate))
  forAll([walk({ clock: "any" })], (life) => {
    for (const it of play(life).operations.values()) {
      expect(it.held).toBe(it.estimatedAmount === null ? 0 : costOf(it.estimatedAmount, it.capturedRate))
      if (it.resourceAmount !== null) expect(it.finalCost).toBe(costOf(it.resourceAmount, it.capturedRate))
    }
  })
})

it("an operation is within its merchant's maximum and its status fits its facts, through any life of a merchant", () => {
  forAll([walk({ clock: "any" })], (life) => {
    const ledger = play(life)
    for (const it of ledger.operations.values()) {
      expect(it.expiresAt - it.openedAt).toBeLessThanOrEqual(ledger.settings.operationTimeoutMaxMinutes * MINUTE)
      expect(it.held === 0).toBe(it.estimatedAmount === null)
      expect(it.finalCost !== null && it.completedAt !== null && it.resourceAmount !== null).toBe(
        it.status === "closed"
      )
      expect(it.closedAt !== null).toBe(it.status === "closed" || it.status === "cancelled")
      if (it.closedAt !== null) expect(it.late).toBe(it.closedAt >= it.expiresAt)
      if (it.late) expect((it.closedAt ?? 0) - it.expiresAt).toBeLessThanOrEqual(life.lateCloseHours * HOUR)
    }
  })
})
