import { makeCreditClient } from "@credit/client"
import { receiptText } from "@credit/domain/ReceiptRendering"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"

describe("A merchant that is set up with the client alone", () => {
  let database: MerchantDatabase
  let service: Service
  const clientOf = async (role: "app" | "admin" | "operator") =>
    makeCreditClient({
      baseUrl: service.url,
      token: await tokenFor(role, role === "operator" ? "olga" : database.merchantId),
      retry: false,
      ...(role === "operator" ? { merchantId: database.merchantId } : {})
    })

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    service = await startService([database])
  })
  afterAll(async () => {
    await service.end("SIGTERM")
    await database.drop()
  })

  it("is configured, sells at the country's price with its tax, meters at its rate, and prints the receipt", async () => {
    const [app, admin] = [await clientOf("app"), await clientOf("admin")]
    const { settings } = await admin.merchant.configure({
      legalName: "Acme LLC",
      taxRegime: "vat",
      taxRate: "20",
      receiptPrefix: "ACME"
    })
    expect(settings).toMatchObject({ merchantId: database.merchantId, legalName: "Acme LLC", taxRate: "20" })
    await admin.product.create({
      productCode: "pro",
      title: "Pro",
      credits: 1000,
      accessPeriodDays: 365,
      distribution: "sellable",
      priceRows: [
        { country: "*", currency: "USD", amount: "79.00" },
        { country: "AM", currency: "AMD", amount: "29900" }
      ]
    })
    await admin.operationType.create({
      operationTypeCode: "llm_tokens",
      resourceUnit: "K_TOKENS",
      creditsPerUnit: "0.57"
    })

    const { products } = await app.listAvailableProducts({ country: "AM" })
    expect(products).toEqual([
      {
        productCode: "pro",
        title: "Pro",
        credits: 1000,
        accessPeriodDays: 365,
        currency: "AMD",
        amount: "29900",
        taxBreakdown: { regime: "vat", rate: "20", net: "24916.67", tax: "4983.33", gross: "29900" }
      }
    ])
    const now = new Date().toISOString()
    const { receipt } = await app.purchase.settled({
      userId: "ann",
      productCode: "pro",
      settlementData: {
        externalRef: "pay-1",
        orderPlacedAt: now,
        settledAt: now,
        pricingSnapshot: { country: "AM", currency: "AMD", amount: "29900" }
      }
    })
    expect(receiptText(receipt)).toMatch(/VAT 20 % +4983.33 AMD\nTotal +29900.00 AMD/)
    const { operation } = await app.withOperation({ userId: "ann", operationTypeCode: "llm_tokens" }, async () => ({
      value: "answer",
      resourceAmount: "100"
    }))
    expect(operation).toMatchObject({ capturedRate: "0.57", finalCost: 57 })
  })

  it("offers what is active and has a price in the country, its own or the one for elsewhere; grants never", async () => {
    const [app, admin] = [await clientOf("app"), await clientOf("admin")]
    const common = { title: "Pack", credits: 10, accessPeriodDays: 10 }
    const sold = { ...common, distribution: "sellable" } as const
    await admin.product.create({
      ...sold,
      productCode: "germany",
      priceRows: [{ country: "DE", currency: "EUR", amount: "5" }]
    })
    await admin.product.create({
      ...sold,
      productCode: "later",
      priceRows: [{ country: "*", currency: "USD", amount: "5" }],
      effectiveAt: new Date(Date.now() + 3_600_000).toISOString()
    })
    await admin.product.create({ ...common, productCode: "gift", distribution: "grant", grantPolicy: "manual" })
    const offered = async (country: string) =>
      (await app.listAvailableProducts({ country })).products.map((it) => [it.productCode, it.amount, it.currency])
    expect(await offered("DE")).toEqual([
      ["germany", "5", "EUR"],
      ["pro", "79", "USD"]
    ])
    expect(await offered("AM")).toEqual([["pro", "29900", "AMD"]])
    // Kosovo's code is not of ISO 3166, and is sold to all the same.
    expect(await offered("XK")).toEqual([["pro", "79", "USD"]])
    await admin.product.archive({ productCode: "germany" })
    expect(await offered("DE")).toEqual([["pro", "79", "USD"]])
    await expect(app.listAvailableProducts({ country: "de" })).rejects.toMatchObject({
      _tag: "InvalidRequest",
      field: "country"
    })
    const listed = async (status?: "scheduled" | "active" | "archived") =>
      (await admin.product.list(status === undefined ? {} : { status })).products.map((it) => [
        it.productCode,
        it.status
      ])
    expect(await listed()).toEqual([
      ["germany", "archived"],
      ["gift", "active"],
      ["later", "scheduled"],
      ["pro", "active"]
    ])
    expect(await listed("active")).toEqual([
      ["gift", "active"],
      ["pro", "active"]
    ])
  })

  it("lists page by page, each row once, while rows are added behind and before", async () => {
    const [app, admin] = [await clientOf("app"), await clientOf("admin")]
    for (const operationTypeCode of ["paged-b", "paged-a", "paged-b", "paged-b"]) {
      await admin.operationType.create({ operationTypeCode, resourceUnit: "UNITS", creditsPerUnit: "1" })
    }
    const soon = new Date(Date.now() + 3_600_000).toISOString()
    await admin.operationType.create({
      operationTypeCode: "paged-b",
      resourceUnit: "UNITS",
      creditsPerUnit: "2",
      effectiveAt: soon
    })
    const seen: Array<readonly [string, string, string]> = []
    let cursor: string | undefined
    do {
      const page = await app.operationType.list({ limit: 2, ...(cursor === undefined ? {} : { cursor }) })
      expect(page.operationTypes.length).toBeLessThanOrEqual(2)
      seen.push(...page.operationTypes.map((it) => [it.operationTypeCode, it.creditsPerUnit, it.status] as const))
      cursor = page.nextCursor
      await admin.operationType.create({
        operationTypeCode: `aaa-${seen.length}`,
        resourceUnit: "UNITS",
        creditsPerUnit: "1"
      })
    } while (cursor !== undefined)
    expect(seen).toEqual([
      ["llm_tokens", "0.57", "active"],
      ["paged-a", "1", "active"],
      ["paged-b", "1", "archived"],
      ["paged-b", "1", "archived"],
      ["paged-b", "1", "active"],
      ["paged-b", "2", "scheduled"]
    ])
    const { operationTypes } = await app.operationType.list({ operationTypeCode: "paged-b", status: "active" })
    expect(operationTypes).toMatchObject([{ archivedAt: soon }])
    const codes: Array<string> = []
    for (let next: { cursor?: string } | undefined = {}; next !== undefined; ) {
      const page: Awaited<ReturnType<typeof admin.product.list>> = await admin.product.list({ limit: 1, ...next })
      codes.push(...page.products.map((it) => it.productCode))
      next = page.nextCursor === undefined ? undefined : { cursor: page.nextCursor }
    }
    expect(codes).toEqual(["germany", "gift", "later", "pro"])
    await expect(app.product.list({})).rejects.toMatchObject({ _tag: "Forbidden", requiredRole: "admin" })
    await expect(admin.product.list({ cursor: "abc" })).rejects.toMatchObject({
      _tag: "InvalidRequest",
      field: "cursor"
    })
  })

  it.each([
    ["priceRows.0.country", { country: "ZZ", currency: "USD", amount: "1" }],
    ["priceRows.0.currency", { country: "*", currency: "DEM", amount: "1" }],
    ["priceRows.0.amount", { country: "*", currency: "JPY", amount: "1.5" }],
    ["priceRows.0.amount", { country: "*", currency: "USD", amount: "1.005" }]
  ])("is told which field of a product cannot be: %s of %j", async (field, row) => {
    const admin = await clientOf("admin")
    const product = {
      productCode: "wrong",
      title: "Wrong",
      credits: 1,
      accessPeriodDays: 1,
      distribution: "sellable" as const
    }
    await expect(admin.product.create({ ...product, priceRows: [row] })).rejects.toMatchObject({
      _tag: "InvalidRequest",
      field
    })
    await expect(
      admin.operationType.create({ operationTypeCode: "free", resourceUnit: "UNITS", creditsPerUnit: "0" })
    ).rejects.toMatchObject({ _tag: "InvalidRequest", field: "creditsPerUnit" })
  })

  it("goes on answering queries in maintenance, which its operator alone may enter and leave", async () => {
    const [app, admin, operator] = [await clientOf("app"), await clientOf("admin"), await clientOf("operator")]
    await expect(admin.maintenance.enter({ reason: "x" })).rejects.toMatchObject({
      _tag: "Forbidden",
      requiredRole: "operator"
    })
    await operator.maintenance.enter({ reason: "moving" })
    const archive = admin.product.archive({ productCode: "pro" }, { idempotencyKey: "archive-pro" })
    await expect(archive).rejects.toMatchObject({ _tag: "MaintenanceMode", reason: "moving", retryAfterSeconds: 30 })
    expect((await app.listAvailableProducts({ country: "DE" })).products).toHaveLength(1)
    expect(await app.getUserBalance({ userId: "ann" })).toMatchObject({ balance: 943 })
    expect((await operator.maintenance.exit({})).serviceStatus).toEqual({ status: "ready" })
    const { meta, product } = await admin.product.archive({ productCode: "pro" }, { idempotencyKey: "archive-pro" })
    expect([product.status, meta.replayed]).toEqual(["archived", false])
  })
})
