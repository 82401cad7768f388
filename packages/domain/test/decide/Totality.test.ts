import { MAX_CREDITS } from "@credit/domain/Credits"
import { timestampText } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { expectReadable, operationOf } from "../support/Answers.ts"
import { admin, command, grant, open, purchase, type WireIntent } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger, START } from "../support/Ledger.ts"

/** Ends of every range, and odd but lawful texts, among random values: whatever decodes may come. */
const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code))
const code = fc.oneof(
  fc.constantFrom("starter", "launch", "welcome", "__proto__", "constructor", "\\\"'", "x".repeat(200)),
  fc.string({ unit: visible, minLength: 1, maxLength: 20 })
)
const user = fc.constantFrom("ada", "rich", "__proto__", "toString", "a|b:c@d.e-f", "x".repeat(128))
const note = fc.oneof(
  fc.constantFrom("x", "\n", '"', "\u2028", "👍", "x".repeat(500)),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 50 })
)
const actor = fc.constantFrom("olga", "O. L. (ops) 👍", "x".repeat(200))
const decimal = (integers: number, scale: number) =>
  fc.oneof(
    fc.constantFrom("0", "1", `0.${"0".repeat(scale - 1)}1`, `${"9".repeat(integers)}.${"9".repeat(scale)}`, "1.0000"),
    fc.bigInt({ min: 0n, max: 10n ** BigInt(integers) - 1n }).map((digits) => `${digits}`)
  )
const instant = fc.oneof(
  fc.constantFrom(
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "1970-01-01T00:00:00Z",
    "2024-02-29T23:59:59+14:59",
    timestampText(START),
    timestampText(START + 300_001)
  ),
  fc.integer({ min: Date.parse("2025-01-01"), max: START }).map(timestampText)
)
const credits = fc.oneof(
  fc.constantFrom(1, 100, MAX_CREDITS, MAX_CREDITS - 1),
  fc.integer({ min: 1, max: MAX_CREDITS })
)
const days = fc.oneof(fc.constantFrom(1, 36_500), fc.integer({ min: 1, max: 36_500 }))
const minutes = fc.oneof(fc.constantFrom(1, 525_600), fc.integer({ min: 1, max: 525_600 }))
const operationType = fc.constantFrom("call", "tokens", "minutes", "huge", "free", "unheard-of", "__proto__")
const country = fc.constantFrom("AM", "DE", "ZZ")
const currency = fc.constantFrom("USD", "AMD", "XXX")
const money = decimal(12, 4)
const tax = fc.record(
  { regime: fc.constantFrom("vat", "turnover"), rate: money, net: money, tax: money, gross: money },
  { requiredKeys: ["regime", "net", "tax", "gross"] }
)
const price = fc.record(
  { country, currency, amount: fc.oneof(fc.constantFrom("9.99", "29900"), money), taxBreakdown: tax },
  { requiredKeys: ["country", "currency", "amount"] }
)
const reference = fc.oneof(fc.constantFrom("pay-1", "pay-2"), code)
const settlement = fc.record(
  {
    externalRef: reference,
    orderPlacedAt: instant,
    settledAt: instant,
    paymentMethod: code,
    pricingSnapshot: price
  },
  { requiredKeys: ["externalRef", "orderPlacedAt", "settledAt", "pricingSnapshot"] }
)

const opens = fc.record(
  {
    userId: user,
    operationTypeCode: operationType,
    workflowId: code,
    estimatedAmount: decimal(12, 6),
    timeoutMinutes: minutes
  },
  { requiredKeys: ["userId", "operationTypeCode"] }
)

const grants = fc.oneof(
  fc.record({ type: fc.constant("welcome" as const) }),
  fc.record({ type: fc.constant("promo" as const), productCode: code }),
  fc.record({ type: fc.constant("manual" as const), credits, accessPeriodDays: days, justification: note })
)

const productCode = fc.oneof(fc.constantFrom("starter", "welcome", "launch", "new"), code)
const products = fc.record(
  {
    productCode,
    title: note,
    credits,
    accessPeriodDays: days,
    distribution: fc.constantFrom("sellable" as const, "grant" as const),
    priceRows: fc.array(
      fc.record({
        country: fc.constantFrom("*", "AM", "DE"),
        currency: fc.constantFrom("USD", "AMD"),
        amount: fc.constantFrom("9.99", "0", "29900.00")
      }),
      { maxLength: 3 }
    ),
    grantPolicy: fc.constantFrom("apply_on_signup" as const, "manual" as const),
    effectiveAt: instant
  },
  { requiredKeys: ["productCode", "title", "credits", "accessPeriodDays", "distribution"] }
)
const rates = fc.record(
  {
    operationTypeCode: operationType,
    title: note,
    resourceUnit: fc.constantFrom("REQUESTS", "UNITS"),
    creditsPerUnit: fc.constantFrom("0.000001", "1", "999999999.999999"),
    effectiveAt: instant
  },
  { requiredKeys: ["operationTypeCode", "resourceUnit", "creditsPerUnit"] }
)
const settings = {
  legalName: note,
  legalAddress: fc.option(note),
  taxId: fc.option(note.map((text) => text.slice(0, 100).toWellFormed())),
  taxRegime: fc.constantFrom("none" as const, "vat" as const, "turnover" as const),
  taxRate: fc.option(fc.constantFrom("0", "20", "100", "7.7")),
  receiptPrefix: fc.constantFrom("R", "ACME-1", "X".repeat(20)),
  operationTimeoutMinutes: minutes,
  operationTimeoutMaxMinutes: minutes,
  lateCloseHours: fc.constantFrom(0, 87_600),
  maxOpenOperations: fc.constantFrom(1, 100_000),
  consumptionOrder: fc.constantFrom("oldest_first" as const, "expiring_first" as const)
}

/** Any payload that decodes, naming one of these operations where it names one. */
const anyIntent = (operationIds: ReadonlyArray<string>): fc.Arbitrary<WireIntent> => {
  const operationId = fc.constantFrom(...operationIds, "00000000-0000-0000-0000-000000000000")
  const closes = fc.record(
    {
      operationId,
      resourceAmount: decimal(12, 6),
      resourceUnit: fc.constantFrom("REQUESTS", "UNITS", "__proto__"),
      completedAt: instant,
      workflowId: code
    },
    { requiredKeys: ["operationId", "resourceAmount", "completedAt"] }
  )
  const cancels = fc.record({ operationId, reason: note }, { requiredKeys: ["operationId"] })
  const of = <const T extends string, P>(type: T, payload: fc.Arbitrary<P>) =>
    payload.map((value) => ({ type, payload: value }))
  return fc.oneof(
    of(
      "Purchase.Settled",
      fc.record({ userId: user, productCode: fc.oneof(fc.constant("starter"), code), settlementData: settlement })
    ),
    of("Operation.Open", opens),
    of("Operation.RecordAndClose", closes),
    of("Operation.Cancel", cancels),
    of("Operation.Extend", fc.record({ operationId, timeoutMinutes: minutes })),
    of("Grant.Apply", fc.record({ userId: user, grant: grants })),
    of("Product.Create", products),
    of("Product.Archive", fc.record({ productCode, archivedAt: instant }, { requiredKeys: ["productCode"] })),
    of("OperationType.Create", rates),
    of("Merchant.Configure", fc.record(settings, { requiredKeys: [] })),
    of(
      "CreditAdjustment.Apply",
      fc.record({ userId: user, creditAmount: credits, accessPeriodDays: days, justification: note, adminActor: actor })
    ),
    of(
      "DebitAdjustment.Apply",
      fc.record({ userId: user, debitAmount: credits, justification: note, adminActor: actor })
    ),
    of("Refund.Apply", fc.record({ externalRef: reference, justification: note, adminActor: actor })),
    of(
      "Chargeback.Apply",
      fc.record(
        { externalRef: reference, category: code, adminActor: actor },
        { requiredKeys: ["externalRef", "adminActor"] }
      )
    ),
    of(
      "Chargeback.Resolve",
      fc.record({ externalRef: reference, outcome: fc.constantFrom("won", "lost"), adminActor: actor })
    ),
    of("Sandbox.AdvanceClock", fc.record({ hours: fc.integer({ min: 1, max: 876_000 }) }))
  )
}

/** A sandbox with a rich user and a poor one, who has bought something, each with operations of both kinds open. */
const lived = () => {
  const ledger = new Ledger({ sandbox: true })
  ledger.run([grant("rich", MAX_CREDITS, 36_500), grant("ada", 3, 1), purchase("ada", "pay-1")])
  const operations = ["rich", "ada"].flatMap((userId) =>
    [open(userId, { estimatedAmount: "1" }), open(userId, { operationTypeCode: "huge" })].map(
      (it) => operationOf(ledger.send(it)).operationId
    )
  )
  return { ledger, operations }
}

describe("whatever payload decodes", () => {
  it("is decided, never thrown at: an answer the contract can read, and a ledger that keeps all its rules", () => {
    const { operations } = lived()
    const outcomes = new Set<string>()
    const batches = fc.array(fc.array(anyIntent(operations), { minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 6
    })
    forAll(
      [batches, fc.boolean()],
      (intents, sandbox) => {
        const { ledger } = lived()
        ledger.settings = { ...ledger.settings, sandbox }
        for (const batch of intents) {
          const { answers } = ledger.run(batch.map((intent) => command(intent, { sender: admin })))
          expect(answers).toHaveLength(batch.length)
          for (const [index, answer] of answers.entries()) {
            const type = batch[index]?.type
            if (type !== undefined) expectReadable(type, answer)
            outcomes.add(answer.outcome)
          }
        }
      },
      400
    )
    expect([...outcomes].sort()).toEqual([
      "ChargebackNotOpen",
      "GrantUnavailable",
      "InsufficientBalance",
      "IntentConflict",
      "InvalidRequest",
      "NotASandbox",
      "OperationClosed",
      "OperationExpired",
      "OperationNotFound",
      "OperationUnavailable",
      "ProductAlreadyExists",
      "ProductNotFound",
      "ProductUnavailable",
      "PurchaseAlreadyReversed",
      "PurchaseNotFound",
      "succeeded"
    ])
  })
})
