import { MAX_CREDITS } from "@credit/domain/Credits"
import { DAY } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { balanceOf, operationOf } from "../support/Answers.ts"
import { close, grant, open, promo, purchase, welcome } from "../support/Commands.ts"
import { Ledger } from "../support/Ledger.ts"

/** 2^53 − 1 = 20394401 × 441650591: an amount and a rate that cost exactly the most there can be. */
const MOST = { amount: "20394401", rate: "441650591" }

/** What a refusal must leave as it was. */
const money = (ledger: Ledger) => {
  const { accounts, entries, lots, operations, purchases, receiptCounter, welcomed } = ledger.snapshot()
  return { accounts, entries, lots, operations, purchases, receiptCounter, welcomed }
}

describe("credits are at most 2^53 − 1", () => {
  it("and may be exactly that", () => {
    const ledger = new Ledger()
    expect(balanceOf(ledger.send(grant("ada", MAX_CREDITS, 1))).balance).toBe(9007199254740991)
    expect(operationOf(ledger.send(open("ada", { estimatedAmount: "999999999999.999999" }))).held).toBe(10 ** 12)
  })

  it.each([
    ["a grant", grant("ada", 1, 1)],
    ["a welcome grant", welcome("ada")],
    ["a promo", promo("ada", "launch")],
    ["a purchase", purchase("ada", "pay-1")]
  ])("so %s beyond is an invalid request, and changes nothing", (_, command) => {
    const ledger = new Ledger()
    ledger.send(grant("ada", MAX_CREDITS, 1))
    const before = money(ledger)
    expect(ledger.send(command).error).toMatchObject({ _tag: "InvalidRequest", field: "userId" })
    expect(money(ledger)).toEqual(before)
  })

  it("counted after what has expired", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", MAX_CREDITS, 1))
    ledger.advance(DAY)
    expect(balanceOf(ledger.send(grant("ada", MAX_CREDITS, 1))).balance).toBe(MAX_CREDITS)
  })

  it("and after what debt they repay", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 1, 1))
    const { operationId } = operationOf(ledger.send(open("ada")))
    ledger.send(close(operationId, "8"))
    expect(balanceOf(ledger.send(grant("ada", MAX_CREDITS, 1)))).toMatchObject({ balance: MAX_CREDITS - 7, debt: 0 })
    expect(ledger.send(grant("ada", 8, 1)).outcome).toBe("InvalidRequest")
    expect(balanceOf(ledger.send(grant("ada", 7, 1))).balance).toBe(MAX_CREDITS)
  })
})

describe("a hold is at most 2^53 − 1", () => {
  it("so an estimate that costs more is an invalid request, and changes nothing", () => {
    const ledger = new Ledger()
    ledger.setRate("huge", MOST.rate)
    ledger.send(grant("ada", MAX_CREDITS, 1))
    const before = money(ledger)
    const beyond = ledger.send(open("ada", { operationTypeCode: "huge", estimatedAmount: `${MOST.amount}.000001` }))
    expect(beyond.error).toMatchObject({ _tag: "InvalidRequest", field: "estimatedAmount" })
    expect(money(ledger)).toEqual(before)
    const exactly = ledger.send(open("ada", { operationTypeCode: "huge", estimatedAmount: MOST.amount }))
    expect(operationOf(exactly).held).toBe(MAX_CREDITS)
    expect(ledger.balance("ada").available).toBe(0)
  })
})

describe("debt is at most 2^53 − 1", () => {
  /** Credits, and operations opened on them: the first at the highest rate without a hold, the others holding 1 each. */
  const working = (credits: number, holds: number) => {
    const ledger = new Ledger()
    ledger.setRate("huge", MOST.rate)
    ledger.send(grant("ada", credits, 1))
    const costly = operationOf(ledger.send(open("ada", { operationTypeCode: "huge" }))).operationId
    const others = Array.from(
      { length: holds },
      () => operationOf(ledger.send(open("ada", { estimatedAmount: "1" }))).operationId
    )
    return { ledger, costly, others }
  }

  it("so a close that costs more is an invalid request, changes nothing, and the operation stays open", () => {
    const { costly, ledger } = working(1, 0)
    const before = money(ledger)
    expect(ledger.send(close(costly, `${MOST.amount}.000001`)).error).toMatchObject({ field: "resourceAmount" })
    expect(money(ledger)).toEqual(before)
    expect(balanceOf(ledger.send(close(costly, MOST.amount)))).toMatchObject({
      balance: 1 - MAX_CREDITS,
      debt: MAX_CREDITS - 1
    })
  })

  it("to the last credit", () => {
    const { costly, ledger, others } = working(2, 1)
    ledger.send(close(costly, MOST.amount))
    const [other = ""] = others
    expect(ledger.send(close(other, "3")).outcome).toBe("InvalidRequest")
    expect(balanceOf(ledger.send(close(other, "2")))).toMatchObject({ balance: -MAX_CREDITS, debt: MAX_CREDITS })
    expect(balanceOf(ledger.send(grant("ada", MAX_CREDITS, 1)))).toMatchObject({ balance: 0, debt: 0 })
  })

  it("and what is available, other holds deducted, no lower either", () => {
    const { costly, ledger, others } = working(3, 2)
    ledger.send(close(costly, MOST.amount))
    const [one = "", two = ""] = others
    expect(ledger.balance("ada")).toMatchObject({ balance: 3 - MAX_CREDITS, held: 2, available: 1 - MAX_CREDITS })
    const before = money(ledger)
    expect(ledger.send(close(one, "3")).error).toMatchObject({ _tag: "InvalidRequest", field: "resourceAmount" })
    expect(money(ledger)).toEqual(before)
    expect(balanceOf(ledger.send(close(one, "2")))).toMatchObject({ held: 1, available: -MAX_CREDITS })
    expect(balanceOf(ledger.send(close(two, "1"))).available).toBe(-MAX_CREDITS)
  })
})
