import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { at, type Fixture, makeFixture } from "../commands/Fixture.ts"

const admin = { role: "admin" } as const

const pack = (productCode: string) => ({
  productCode,
  title: "Pack",
  credits: 500,
  accessPeriodDays: 30,
  distribution: "sellable" as const,
  priceRows: [
    { country: "*", currency: "USD", amount: "49.00" },
    { country: "AM", currency: "AMD", amount: "19900" }
  ]
})
const saleOf = (userId: string, externalRef: string, productCode: string, orderPlacedAt: string) => ({
  userId,
  productCode,
  settlementData: {
    externalRef,
    orderPlacedAt,
    settledAt: orderPlacedAt,
    pricingSnapshot: { country: "DE", currency: "USD", amount: "49" }
  }
})

describe("The catalog", () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"))
  })
  afterAll(() => fixture.close())

  const count = async (sql: string, parameters: ReadonlyArray<unknown> = []) => {
    const [row] = await fixture.owner.query(sql, parameters)
    return row?.n
  }

  it("keeps a product that is created, sells it, and ends it", async () => {
    const created = await fixture.run("Product.Create", pack("pack"), admin)
    const effectiveAt = String(at(created.value, "product", "effectiveAt"))
    const bought = await fixture.run("Purchase.Settled", saleOf("ann", "pay-pack", "pack", effectiveAt))
    expect(at(bought.value, "lot", "creditsTotal")).toBe(500)
    const archived = await fixture.run("Product.Archive", { productCode: "pack" }, admin)
    const archivedAt = String(at(archived.value, "product", "archivedAt"))
    const late = await fixture.run("Purchase.Settled", saleOf("ann", "pay-late", "pack", archivedAt))
    expect(late.error).toMatchObject({ _tag: "ProductUnavailable", reason: "archived" })
    expect(
      await fixture.owner.query(
        `SELECT p.product_code, p.effective_at = $1::timestamptz AS effective, p.archived_at = $2::timestamptz AS archived,
           json_agg(json_build_array(r.country, r.currency, r.amount) ORDER BY r.country)::text AS prices
         FROM products AS p JOIN product_prices AS r USING (product_code) WHERE p.product_code = 'pack' GROUP BY 1`,
        [effectiveAt, archivedAt]
      )
    ).toEqual([
      {
        product_code: "pack",
        effective: true,
        archived: true,
        prices: '[["*", "USD", 49], ["AM", "AMD", 19900]]'
      }
    ])
  })

  it("refuses what is there, what is not, and another product for sign-ups", async () => {
    const again = await fixture.run("Product.Create", pack("pro"), admin)
    expect(at(again.error, "_tag")).toBe("ProductAlreadyExists")
    const none = await fixture.run("Product.Archive", { productCode: "none" }, admin)
    expect(at(none.error, "_tag")).toBe("ProductNotFound")
    const gift = {
      productCode: "hello",
      title: "Hello",
      credits: 1,
      accessPeriodDays: 1,
      distribution: "grant",
      grantPolicy: "apply_on_signup"
    } as const
    const second = await fixture.run("Product.Create", gift, admin)
    expect(second.error).toMatchObject({ _tag: "InvalidRequest", field: "grantPolicy" })
    await fixture.run("Product.Archive", { productCode: "welcome" }, admin)
    expect((await fixture.run("Product.Create", gift, admin)).value).toBeDefined()
    const granted = await fixture.run("Grant.Apply", { userId: "new", grant: { type: "welcome" } })
    expect(at(granted.value, "lot", "creditsTotal")).toBe(1)
  })

  it("has one version of a rate running at any moment, and no moment without one", async () => {
    const type = { operationTypeCode: "llm_tokens", resourceUnit: "K_TOKENS" }
    await fixture.run("Purchase.Settled", purchaseOf("rita", "pay-rita"))
    const rates = ["0.6", "0.7", "0.8"]
    for (const creditsPerUnit of rates) {
      const answer = await fixture.run("OperationType.Create", { ...type, creditsPerUnit }, admin)
      expect(at(answer.value, "operationType", "effectiveAt")).toBe(at(answer.value, "replaced", "archivedAt"))
      const opened = await fixture.run("Operation.Open", {
        userId: "rita",
        operationTypeCode: "llm_tokens",
        estimatedAmount: "1"
      })
      expect(at(opened.value, "operation", "capturedRate")).toBe(creditsPerUnit)
    }
    const unit = await fixture.run(
      "OperationType.Create",
      { operationTypeCode: "llm_tokens", resourceUnit: "TOKENS", creditsPerUnit: "1" },
      admin
    )
    expect(unit.error).toMatchObject({ _tag: "InvalidRequest", field: "resourceUnit" })
    expect(
      await fixture.owner.query(
        `SELECT credits_per_unit::text AS rate, archived_at IS NOT DISTINCT FROM lead(effective_at) OVER (ORDER BY effective_at) AS seamless
         FROM operation_types WHERE operation_type_code = 'llm_tokens' ORDER BY effective_at`
      )
    ).toEqual(["0.57", ...rates].map((rate) => ({ rate, seamless: true })))
  })

  it("is one thing however many servers change it at once", async () => {
    const workers = await Promise.all([fixture.makeWorker(), fixture.makeWorker(), fixture.makeWorker()])
    const answers = await Promise.all(
      workers.flatMap((worker, index) => [
        fixture.runOn(worker, "Product.Create", { ...pack("raced"), credits: index + 1 }, admin),
        fixture.runOn(
          worker,
          "OperationType.Create",
          { operationTypeCode: "raced", resourceUnit: "UNITS", creditsPerUnit: `${index + 1}` },
          admin
        ),
        fixture.runOn(worker, "Purchase.Settled", purchaseOf(`raced-${index}`, `pay-raced-${index}`))
      ])
    )
    expect(answers.filter(({ error }) => at(error, "_tag") === "ProductAlreadyExists")).toHaveLength(2)
    const others = answers.filter(({ error }) => error !== undefined && at(error, "_tag") !== "ProductAlreadyExists")
    // Two versions cannot begin in the same millisecond: the later one is told so.
    for (const { error } of others) expect(error).toMatchObject({ _tag: "InvalidRequest", field: "effectiveAt" })
    expect(await count("SELECT count(*)::int AS n FROM products WHERE product_code = 'raced'")).toBe(1)
    expect(
      await count(
        "SELECT count(*)::int AS n FROM operation_types WHERE operation_type_code = 'raced' AND archived_at IS NULL"
      )
    ).toBe(1)
  })

  it("replays an answer, tells a conflict, and forgets a dry run", async () => {
    const key = "create-keyed"
    const dry = await fixture.run("Product.Create", pack("keyed"), { ...admin, key, dryRun: true })
    expect(at(dry.value, "product", "productCode")).toBe("keyed")
    const first = await fixture.run("Product.Create", pack("keyed"), { ...admin, key })
    const again = await fixture.run("Product.Create", pack("keyed"), { ...admin, key })
    expect(again.value).toEqual({
      ...first.value,
      meta: { transactionId: at(first.value, "meta", "transactionId"), replayed: true }
    })
    const other = await fixture.run("Product.Create", { ...pack("keyed"), credits: 1 }, { ...admin, key })
    expect(other.error).toMatchObject({ _tag: "IntentConflict", fields: ["credits"] })
    expect(
      await fixture.owner.query("SELECT actor, role, command, outcome FROM audit_log WHERE idempotency_key = $1", [key])
    ).toEqual([{ actor: expect.any(String), role: "admin", command: "Product.Create", outcome: "succeeded" }])
  })
})

describe("A merchant's settings", () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"))
  })
  afterAll(() => fixture.close())

  it("are kept as they were set, and receipts follow them from then on", async () => {
    await fixture.run("Purchase.Settled", purchaseOf("ann", "pay-1"))
    const set = await fixture.run(
      "Merchant.Configure",
      {
        legalName: "Acme LLC",
        legalAddress: "1 Main Street",
        taxId: "01234567",
        taxRegime: "vat",
        taxRate: "20",
        receiptPrefix: "ACME",
        operationTimeoutMinutes: 7,
        operationTimeoutMaxMinutes: 70,
        lateCloseHours: 0,
        maxOpenOperations: 3,
        consumptionOrder: "expiring_first"
      },
      admin
    )
    const same = await fixture.run("Merchant.Configure", {}, admin)
    expect(at(same.value, "settings")).toEqual(at(set.value, "settings"))
    expect(at(set.value, "settings")).toMatchObject({ legalName: "Acme LLC", taxRate: "20", lateCloseHours: 0 })
    const bought = await fixture.run("Purchase.Settled", purchaseOf("ann", "pay-2"))
    expect(at(bought.value, "receipt")).toMatchObject({
      receiptNumber: expect.stringMatching(/^ACME-\d{4}-0002$/),
      taxBreakdown: { regime: "vat", rate: "20", net: "65.83", tax: "13.17", gross: "79" },
      merchant: { legalName: "Acme LLC", legalAddress: "1 Main Street", taxId: "01234567" }
    })
    const first = await fixture.run("Purchase.Settled", purchaseOf("ann", "pay-1"))
    expect(at(first.value, "receipt")).toMatchObject({
      receiptNumber: expect.stringMatching(/^R-\d{4}-0001$/),
      taxBreakdown: { regime: "none", net: "79", tax: "0", gross: "79" }
    })
    await fixture.run("Merchant.Configure", { legalAddress: null, taxRegime: "none" }, admin)
    expect(await fixture.owner.query("SELECT legal_address, tax_rate, receipt_prefix FROM merchant_settings")).toEqual([
      { legal_address: null, tax_rate: null, receipt_prefix: "ACME" }
    ])
  })
})
