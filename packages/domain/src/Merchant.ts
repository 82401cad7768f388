import * as Schema from "effect/Schema"
import { percent } from "./Decimal.ts"
import { MerchantId } from "./Ids.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** `oldest_first`: by `issuedAt`, then id. `expiring_first`: by `expiresAt`, then `issuedAt`, then id (rule 4). */
export const ConsumptionOrder = Schema.Literals(["oldest_first", "expiring_first"])
export type ConsumptionOrder = typeof ConsumptionOrder.Type

/**
 * How a merchant is taxed, and so what its receipts say of tax. Prices include it always.
 *
 * - `none`: no tax.
 * - `vat`: the rate is on top of the net: tax = price × rate ÷ (100 + rate).
 * - `turnover`: the rate is a share of the turnover itself: tax = price × rate ÷ 100.
 */
export const TaxRegime = Schema.Literals(["none", "vat", "turnover"])
export type TaxRegime = typeof TaxRegime.Type

/** Per cent. */
export const TaxRate = percent

/** What a receipt's number begins with. */
export const ReceiptPrefix = Schema.String.check(
  Schema.isPattern(/^[A-Z0-9-]{1,20}$/, { expected: "1–20 characters of [A-Z0-9-]" })
)

/** A merchant's settings as the rules see them; `taxRate` is canonical text. */
export interface SettingsState {
  readonly merchantId: string
  readonly legalName: string
  readonly legalAddress: string | null
  readonly taxId: string | null
  readonly taxRegime: TaxRegime
  /** Per cent; there whenever the regime is `vat`. */
  readonly taxRate: string | null
  readonly receiptPrefix: string
  /** How long an operation stays open unless it says otherwise, and the longest it may, from its opening. */
  readonly operationTimeoutMinutes: number
  readonly operationTimeoutMaxMinutes: number
  /** How long after its expiry an operation may still be closed; 0 = never. */
  readonly lateCloseHours: number
  /** How many operations with an estimate one user may have open. */
  readonly maxOpenOperations: number
  readonly consumptionOrder: ConsumptionOrder
  readonly sandbox: boolean
}

/** What a merchant has set, and what it is. */
export const MerchantSettings = Schema.Struct({
  merchantId: MerchantId,
  legalName: Schema.String,
  legalAddress: Schema.optionalKey(Schema.String),
  taxId: Schema.optionalKey(Schema.String),
  taxRegime: TaxRegime,
  taxRate: Schema.optionalKey(TaxRate),
  receiptPrefix: Schema.String,
  operationTimeoutMinutes: Schema.Int,
  operationTimeoutMaxMinutes: Schema.Int,
  lateCloseHours: Schema.Int,
  maxOpenOperations: Schema.Int,
  consumptionOrder: ConsumptionOrder,
  sandbox: Schema.Boolean
}).annotate({ identifier: "MerchantSettings" })
export type MerchantSettings = typeof MerchantSettings.Type

/** The wire form of settings. */
export const presentSettings = (settings: SettingsState): typeof MerchantSettings.Encoded => ({
  merchantId: settings.merchantId,
  legalName: settings.legalName,
  ...(settings.legalAddress === null ? {} : { legalAddress: settings.legalAddress }),
  ...(settings.taxId === null ? {} : { taxId: settings.taxId }),
  taxRegime: settings.taxRegime,
  ...(settings.taxRate === null ? {} : { taxRate: settings.taxRate }),
  receiptPrefix: settings.receiptPrefix,
  operationTimeoutMinutes: settings.operationTimeoutMinutes,
  operationTimeoutMaxMinutes: settings.operationTimeoutMaxMinutes,
  lateCloseHours: settings.lateCloseHours,
  maxOpenOperations: settings.maxOpenOperations,
  consumptionOrder: settings.consumptionOrder,
  sandbox: settings.sandbox
})

/** The merchant's service status while it takes no commands. */
export interface MaintenanceState {
  readonly reason: string
  readonly until: number | null
}

/** Whether a merchant takes commands. */
export const ServiceStatus = Schema.Struct({
  status: Schema.Literals(["ready", "maintenance"]),
  reason: Schema.optionalKey(Schema.String),
  until: Schema.optionalKey(Timestamp)
}).annotate({ identifier: "ServiceStatus" })
export type ServiceStatus = typeof ServiceStatus.Type

/** The wire form of a service status. */
export const presentServiceStatus = (maintenance: MaintenanceState | null): typeof ServiceStatus.Encoded =>
  maintenance === null
    ? { status: "ready" }
    : {
        status: "maintenance",
        reason: maintenance.reason,
        ...(maintenance.until === null ? {} : { until: timestampText(maintenance.until) })
      }
