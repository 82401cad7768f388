import type { Role } from "@credit/rpc/Access"

/** What was answered so far: the latest answer to an RPC, by path. */
export type Told = (tag: string, ...path: ReadonlyArray<string | number>) => unknown

/** One call of the story. */
export interface Step {
  readonly tag: string
  readonly role: Exclude<Role, "user">
  readonly payload: (told: Told) => unknown
  /** Whom an operator means, if not the stage's merchant. */
  readonly merchantId?: string
  /** Not the example of its RPC, but what an example needs to have happened. */
  readonly aside?: true
}

const ann = "ann"

const starterOf = (userId: string, externalRef: string) => ({
  userId,
  productCode: "starter",
  settlementData: {
    externalRef,
    orderPlacedAt: "2026-01-15T10:00:00Z",
    settledAt: "2026-01-15T10:00:05Z",
    paymentMethod: "card",
    pricingSnapshot: { country: "US", currency: "USD", amount: "9.99" }
  }
})
const hourLater = (instant: unknown) => new Date(Date.parse(String(instant)) + 3_600_000).toISOString()

/** A month of one customer of the sandbox `demo`. A new RPC needs a step here, and no more. */
export const STORY: ReadonlyArray<Step> = [
  {
    tag: "Merchant.Configure",
    role: "admin",
    payload: () => ({ legalName: "Example LLC", taxRegime: "vat", taxRate: "20", receiptPrefix: "EX" })
  },
  {
    tag: "OperationType.Create",
    role: "admin",
    payload: () => ({ operationTypeCode: "images", title: "Images", resourceUnit: "IMAGES", creditsPerUnit: "2.5" })
  },
  { tag: "OperationType.List", role: "app", payload: () => ({ operationTypeCode: "images" }) },
  {
    tag: "Product.Create",
    role: "admin",
    payload: () => ({
      productCode: "studio",
      title: "Studio",
      credits: 5000,
      accessPeriodDays: 365,
      distribution: "sellable",
      priceRows: [
        { country: "*", currency: "USD", amount: "299.00" },
        { country: "AM", currency: "AMD", amount: "115000" }
      ]
    })
  },
  { tag: "ListAvailableProducts", role: "app", payload: () => ({ country: "AM" }) },
  { tag: "Product.Archive", role: "admin", payload: () => ({ productCode: "studio" }) },
  { tag: "Product.List", role: "admin", payload: () => ({ status: "archived" }) },
  { tag: "Grant.Apply", role: "app", payload: () => ({ userId: ann, grant: { type: "welcome" } }) },
  {
    tag: "Purchase.Settled",
    role: "app",
    payload: () => starterOf(ann, "pay_4711")
  },
  {
    tag: "Operation.Open",
    role: "app",
    payload: () => ({ userId: ann, operationTypeCode: "llm_tokens", workflowId: "chat-7", estimatedAmount: "40" })
  },
  {
    tag: "Operation.Extend",
    role: "app",
    payload: (told) => ({ operationId: told("Operation.Open", "operation", "operationId"), timeoutMinutes: 120 })
  },
  { tag: "ListOpenOperations", role: "app", payload: () => ({ userId: ann }) },
  {
    tag: "Operation.RecordAndClose",
    role: "app",
    payload: (told) => ({
      operationId: told("Operation.Open", "operation", "operationId"),
      resourceAmount: "50.5",
      completedAt: "2026-01-15T10:07:00Z"
    })
  },
  {
    tag: "GetOperation",
    role: "app",
    payload: (told) => ({ operationId: told("Operation.Open", "operation", "operationId") })
  },
  {
    tag: "Explain",
    role: "app",
    payload: (told) => ({ operationId: told("Operation.RecordAndClose", "operation", "operationId") })
  },
  {
    tag: "Operation.Open",
    role: "app",
    aside: true,
    payload: () => ({ userId: ann, operationTypeCode: "transcription", estimatedAmount: "10" })
  },
  {
    tag: "Operation.Cancel",
    role: "app",
    payload: (told) => ({
      operationId: told("Operation.Open", "operation", "operationId"),
      reason: "the call was dropped"
    })
  },
  { tag: "GetUserBalance", role: "app", payload: () => ({ userId: ann }) },
  { tag: "GetUserBalances", role: "app", payload: () => ({ userIds: [ann, "bob"] }) },
  { tag: "GetLedgerHistory", role: "app", payload: () => ({ userId: ann, limit: 2 }) },
  { tag: "ListLots", role: "app", payload: () => ({ userId: ann, activeOnly: true }) },
  {
    tag: "GetReceipt",
    role: "app",
    payload: (told) => ({ receiptNumber: told("Purchase.Settled", "receipt", "receiptNumber") })
  },
  { tag: "ListReceipts", role: "app", payload: () => ({ userId: ann }) },
  { tag: "ListPurchases", role: "app", payload: () => ({ userId: ann }) },
  { tag: "SearchUsersByPurchaseRef", role: "admin", payload: () => ({ externalRef: "pay_", match: "prefix" }) },
  { tag: "Sandbox.AdvanceClock", role: "admin", payload: () => ({ hours: 24 }) },
  {
    tag: "GetBalanceAt",
    role: "app",
    payload: (told) => ({ userId: ann, at: told("Purchase.Settled", "userBalance", "asOf") })
  },
  {
    tag: "GetStatement",
    role: "app",
    payload: (told) => ({
      userId: ann,
      from: told("Purchase.Settled", "userBalance", "asOf"),
      to: hourLater(told("Purchase.Settled", "userBalance", "asOf"))
    })
  },
  {
    tag: "GetUsageSummary",
    role: "app",
    payload: (told) => ({
      userId: ann,
      from: told("Purchase.Settled", "userBalance", "asOf"),
      to: hourLater(told("Purchase.Settled", "userBalance", "asOf"))
    })
  },
  {
    tag: "GetOperationMetrics",
    role: "admin",
    payload: (told) => ({
      from: told("Purchase.Settled", "userBalance", "asOf"),
      to: hourLater(told("Purchase.Settled", "userBalance", "asOf"))
    })
  },
  {
    tag: "CreditAdjustment.Apply",
    role: "admin",
    payload: () => ({
      userId: "bob",
      creditAmount: 25,
      accessPeriodDays: 30,
      justification: "an outage in March",
      adminActor: "grace"
    })
  },
  {
    tag: "DebitAdjustment.Apply",
    role: "admin",
    payload: () => ({ userId: "bob", debitAmount: 5, justification: "counted twice", adminActor: "grace" })
  },
  { tag: "Purchase.Settled", role: "app", aside: true, payload: () => starterOf("bob", "pay_4712") },
  {
    tag: "Refund.Apply",
    role: "admin",
    payload: () => ({ externalRef: "pay_4712", justification: "bought by mistake", adminActor: "grace" })
  },
  { tag: "Purchase.Settled", role: "app", aside: true, payload: () => starterOf("bob", "pay_4713") },
  {
    tag: "Chargeback.Apply",
    role: "admin",
    payload: () => ({ externalRef: "pay_4713", category: "fraudulent", adminActor: "grace" })
  },
  {
    tag: "Chargeback.Resolve",
    role: "admin",
    payload: () => ({ externalRef: "pay_4713", outcome: "won", adminActor: "grace" })
  },
  { tag: "GetAccountOverview", role: "admin", payload: () => ({ userId: ann }) },
  { tag: "ExportLedger", role: "admin", payload: () => ({ format: "csv", userId: ann }) },
  { tag: "VerifyLedger", role: "admin", payload: () => ({}) },
  { tag: "Merchant.Status", role: "admin", payload: () => ({}) },
  { tag: "Job.Run", role: "operator", payload: () => ({ name: "idempotency_cleanup" }) },
  { tag: "Job.Status", role: "operator", payload: () => ({}) },
  { tag: "Migration.Run", role: "operator", payload: () => ({ merchantIds: ["demo"] }) },
  { tag: "Migration.Status", role: "operator", payload: () => ({ merchantIds: ["demo"] }) },
  {
    tag: "Merchant.Onboard",
    role: "operator",
    merchantId: "acme",
    payload: () => ({ merchantId: "acme", settings: { legalName: "Acme LLC" }, tokenLifetimeSeconds: 3600 })
  },
  {
    tag: "Token.Issue",
    role: "operator",
    payload: () => ({ role: "user", merchantId: "demo", userId: ann, lifetimeSeconds: 3600 })
  },
  {
    tag: "Token.Revoke",
    role: "operator",
    payload: (told) => ({ jti: told("Token.Issue", "jti"), merchantId: "demo", note: "logged out" })
  },
  { tag: "Maintenance.Enter", role: "operator", payload: () => ({ reason: "The database moves" }) },
  { tag: "Maintenance.Exit", role: "operator", payload: () => ({}) },
  { tag: "ListAuditLog", role: "admin", payload: () => ({ limit: 2 }) }
]
