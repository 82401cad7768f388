import { MAX_CREDITS } from "@credit/domain/Credits"
import { DAY, timestampText } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { balanceOf, entriesOf, lotOf, operationOf } from "../support/Answers.ts"
import { close, creditAdjustment, debitAdjustment, grant, open } from "../support/Commands.ts"
import { Ledger } from "../support/Ledger.ts"

describe("A credit adjustment", () => {
  it("is a lot of its own, with who gave it and why", () => {
    const ledger = new Ledger()
    const answer = ledger.send(creditAdjustment("ann", 50, 3))
    expect(lotOf(answer)).toMatchObject({
      source: "adjustment",
      creditsTotal: 50,
      creditsRemaining: 50,
      expiresAt: timestampText(ledger.now + 3 * DAY)
    })
    expect(ledger.entries).toMatchObject([
      {
        amount: 50,
        reason: "adjustment",
        operationType: "adjustment",
        resourceAmount: "50",
        resourceUnit: "CREDIT",
        note: "put right",
        actor: "olga"
      }
    ])
  })

  it("repays debt first", () => {
    const ledger = new Ledger()
    ledger.send(debitAdjustment("ann", 20))
    expect(balanceOf(ledger.send(creditAdjustment("ann", 50, 3)))).toMatchObject({ balance: 30, debt: 0 })
  })

  it("beyond the largest balance is refused", () => {
    const ledger = new Ledger()
    ledger.send(grant("ann", MAX_CREDITS, 3))
    expect(ledger.send(creditAdjustment("ann", 1, 3)).error).toMatchObject({ _tag: "InvalidRequest", field: "userId" })
  })
})

describe("A debit adjustment", () => {
  it("takes from the lots in order, one entry each with its own amount, and the rest is debt", () => {
    const ledger = new Ledger()
    ledger.send(grant("ann", 10, 1))
    ledger.send(grant("ann", 5, 2))
    const answer = ledger.send(debitAdjustment("ann", 22))
    expect(entriesOf(answer).map(({ amount, resourceAmount }) => [amount, resourceAmount])).toEqual([
      [-10, "10"],
      [-5, "5"],
      [-7, "7"]
    ])
    expect(entriesOf(answer)[0]).toMatchObject({ reason: "adjustment", note: "put right", actor: "olga" })
    expect(balanceOf(answer)).toMatchObject({ balance: -7, debt: 7 })
  })

  it("takes what open operations hold, and their work is charged all the same", () => {
    const ledger = new Ledger()
    ledger.send(grant("ann", 10, 1))
    const { operationId } = operationOf(ledger.send(open("ann", { estimatedAmount: "8" })))
    expect(balanceOf(ledger.send(debitAdjustment("ann", 10)))).toMatchObject({ balance: 0, held: 8, available: -8 })
    expect(balanceOf(ledger.send(close(operationId, "8")))).toMatchObject({ balance: -8, debt: 8, held: 0 })
  })

  it("of a user nobody has seen is debt", () => {
    const ledger = new Ledger()
    expect(balanceOf(ledger.send(debitAdjustment("new", 3)))).toMatchObject({ balance: -3, debt: 3 })
  })

  it("beyond the least total, holds included, is refused, and changes nothing", () => {
    const ledger = new Ledger()
    ledger.send(grant("ann", 10, 1))
    ledger.send(open("ann", { estimatedAmount: "8" }))
    const refused = ledger.send(debitAdjustment("ann", MAX_CREDITS)) // 10 − 8 − MAX is within the bounds
    expect(refused.outcome).toBe("succeeded")
    expect(ledger.send(debitAdjustment("ann", 3)).error).toMatchObject({
      _tag: "InvalidRequest",
      field: "debitAmount"
    })
    expect(ledger.send(debitAdjustment("ann", 2)).outcome).toBe("succeeded")
  })
})

describe("Corrections", () => {
  it("reach the rules from staff alone", () => {
    const ledger = new Ledger()
    const sender = { role: "app", subject: "demo", tokenId: "t" }
    for (const it of [creditAdjustment("ann", 1, 1, { sender }), debitAdjustment("ann", 1, { sender })]) {
      expect(() => ledger.send(it)).toThrow("reached the rules from the role app")
    }
  })
})
