import { MINUTE } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { operationOf, receiptOf } from "../support/Answers.ts"
import { govern, grant, open, purchase, type WireIntent } from "../support/Commands.ts"
import { Ledger, START } from "../support/Ledger.ts"

type Changes = Extract<WireIntent, { readonly type: "Merchant.Configure" }>["payload"]
const configure = (payload: Changes) => govern({ type: "Merchant.Configure", payload })

describe("a merchant's settings", () => {
  it("change where they are named, and are told as they are then", () => {
    const ledger = new Ledger()
    const before = ledger.send(configure({})).value?.settings
    expect(before).toEqual({
      merchantId: "demo",
      legalName: "Demo LLC",
      legalAddress: "1 Main Street",
      taxRegime: "none",
      receiptPrefix: "R",
      operationTimeoutMinutes: 60,
      operationTimeoutMaxMinutes: 10_080,
      lateCloseHours: 24,
      maxOpenOperations: 100,
      consumptionOrder: "oldest_first",
      sandbox: false
    })
    const changes = {
      legalName: "Demo Ltd",
      legalAddress: "2 High Street\nYerevan",
      taxId: "123",
      taxRegime: "vat",
      taxRate: "20.0",
      receiptPrefix: "DEMO-7",
      operationTimeoutMinutes: 5,
      operationTimeoutMaxMinutes: 10,
      lateCloseHours: 0,
      maxOpenOperations: 1,
      consumptionOrder: "expiring_first"
    } as const
    const after = { ...before, ...changes, taxRate: "20" }
    expect(ledger.send(configure(changes)).value?.settings).toEqual(after)
    expect(ledger.send(configure({})).value?.settings).toEqual(after)
    const { legalAddress: _, taxId: __, ...bare } = after
    expect(ledger.send(configure({ legalAddress: null, taxId: null })).value?.settings).toEqual(bare)
  })

  it("hold from the next command on", () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 10, 1))
    ledger.send(configure({ operationTimeoutMinutes: 5, maxOpenOperations: 1 }))
    expect(operationOf(ledger.send(open("ada", { estimatedAmount: "1" }))).expiresAt).toBe(
      new Date(START + 5 * MINUTE).toISOString()
    )
    expect(ledger.send(open("ada", { estimatedAmount: "1" })).error?.reason).toBe("too_many_open")
  })

  it.each<[string, Changes]>([
    ["taxRate", { taxRegime: "vat" }],
    ["taxRate", { taxRate: "20" }],
    ["taxRate", { taxRegime: "none", taxRate: "20" }],
    ["operationTimeoutMinutes", { operationTimeoutMinutes: 10_081 }],
    ["operationTimeoutMaxMinutes", { operationTimeoutMaxMinutes: 59 }],
    ["operationTimeoutMinutes", { operationTimeoutMinutes: 20, operationTimeoutMaxMinutes: 10 }]
  ])("are refused where they make no sense together: %s of %j", (field, changes) => {
    const ledger = new Ledger()
    const { settings } = ledger
    expect(ledger.send(configure({ ...changes, legalName: "Other" })).error).toMatchObject({
      _tag: "InvalidRequest",
      field
    })
    expect(ledger.settings).toBe(settings)
  })

  it("lose the rate with the regime", () => {
    const ledger = new Ledger()
    ledger.send(configure({ taxRegime: "turnover", taxRate: "5" }))
    expect(ledger.send(configure({ taxRegime: "vat" })).value?.settings?.taxRate).toBe("5")
    expect(ledger.send(configure({ taxRate: null })).error?.field).toBe("taxRate")
    expect(ledger.send(configure({ taxRegime: "none" })).value?.settings?.taxRate).toBeUndefined()
  })

  it.each<Record<string, unknown>>([
    { legalName: "" },
    { receiptPrefix: "demo" },
    { receiptPrefix: "" },
    { taxRegime: "gst" },
    { taxRegime: "vat", taxRate: "100.0001" },
    { taxRegime: "vat", taxRate: "1.00001" },
    { lateCloseHours: -1 },
    { maxOpenOperations: 0 },
    { operationTimeoutMinutes: 0 },
    { consumptionOrder: "newest_first" }
  ])("are never %j", (changes) => {
    expect(() => configure(changes)).toThrow()
  })

  it("number receipts without a gap, whatever the prefix becomes", () => {
    const ledger = new Ledger()
    const number = (ref: string) => receiptOf(ledger.send(purchase("ada", ref))).receiptNumber
    const numbers = [number("a")]
    ledger.send(configure({ receiptPrefix: "NEW" }))
    numbers.push(number("b"))
    ledger.send(configure({ receiptPrefix: "R" }))
    numbers.push(number("c"))
    expect(numbers).toEqual(["R-2026-0001", "NEW-2026-0002", "R-2026-0003"])
  })
})
