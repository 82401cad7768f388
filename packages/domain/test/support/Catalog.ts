import type { SettingsState } from "@credit/domain/Merchant"
import type { OperationTypeState } from "@credit/domain/OperationType"
import type { ProductState } from "@credit/domain/Product"
import { MERCHANT } from "./Commands.ts"

/** Days are few and timeouts long, so that holds outlive lots within a short test. */
export const settings: SettingsState = {
  merchantId: MERCHANT,
  legalName: "Demo LLC",
  legalAddress: "1 Main Street",
  taxId: null,
  taxRegime: "none",
  taxRate: null,
  receiptPrefix: "R",
  operationTimeoutMinutes: 60,
  operationTimeoutMaxMinutes: 7 * 24 * 60,
  lateCloseHours: 24,
  maxOpenOperations: 100,
  consumptionOrder: "oldest_first",
  sandbox: false
}

const product = (productCode: string, changes: Partial<ProductState>): ProductState => ({
  productCode,
  title: productCode,
  credits: 100,
  accessPeriodDays: 2,
  distribution: "sellable",
  grantPolicy: null,
  effectiveAt: Date.parse("2025-06-01T00:00:00Z"),
  archivedAt: null,
  prices: [],
  ...changes
})

export const welcomeProduct = product("welcome", {
  credits: 20,
  accessPeriodDays: 1,
  distribution: "grant",
  grantPolicy: "apply_on_signup"
})

export const products: ReadonlyMap<string, ProductState> = new Map(
  [
    welcomeProduct,
    product("starter", {
      title: "Starter",
      prices: [
        { country: "*", currency: "USD", amount: "9.99" },
        { country: "AM", currency: "AMD", amount: "29900" }
      ]
    }),
    product("armenia", { prices: [{ country: "AM", currency: "AMD", amount: "100" }] }),
    product("retired", {
      archivedAt: Date.parse("2025-12-01T00:00:00Z"),
      prices: [{ country: "*", currency: "USD", amount: "9.99" }]
    }),
    product("launch", { credits: 50, accessPeriodDays: 3, distribution: "grant", grantPolicy: "manual" }),
    product("ended", {
      distribution: "grant",
      grantPolicy: "manual",
      archivedAt: Date.parse("2025-12-01T00:00:00Z")
    })
  ].map((it) => [it.productCode, it])
)

export const operationTypes: ReadonlyMap<string, OperationTypeState> = new Map(
  [
    { operationTypeCode: "call", resourceUnit: "REQUESTS", creditsPerUnit: "1" },
    { operationTypeCode: "tokens", resourceUnit: "K_TOKENS", creditsPerUnit: "0.57" },
    { operationTypeCode: "minutes", resourceUnit: "MINUTES", creditsPerUnit: "1.11" },
    { operationTypeCode: "huge", resourceUnit: "UNITS", creditsPerUnit: "999999999.999999" },
    { operationTypeCode: "free", resourceUnit: "UNITS", creditsPerUnit: "0" }
  ].map((it) => [it.operationTypeCode, it])
)
