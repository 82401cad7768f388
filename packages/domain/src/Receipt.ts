import * as Schema from "effect/Schema"
import { PositiveCredits } from "./Credits.ts"
import { Money } from "./Decimal.ts"
import { Code, Country, Currency, LotId, text, UserId } from "./Ids.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** Tax within a price, by the merchant's regime; or within or on top of it, as the upstream app computed it. */
export const TaxBreakdown = Schema.Struct({
  regime: text(50),
  /** Per cent. */
  rate: Schema.optionalKey(Money),
  net: Money,
  tax: Money,
  gross: Money
}).annotate({ identifier: "TaxBreakdown" })

/** The merchant's data as they were when the receipt was made. */
export const ReceiptMerchant = Schema.Struct({
  merchantId: Schema.String,
  legalName: Schema.String,
  legalAddress: Schema.optionalKey(Schema.String),
  taxId: Schema.optionalKey(Schema.String)
})

/** The proof of one purchase. Numbers are gapless per UTC year: `PREFIX-YYYY-NNNN…`. Never changes. */
export const Receipt = Schema.Struct({
  receiptNumber: Schema.String,
  userId: UserId,
  externalRef: Code,
  lotId: LotId,
  productCode: Code,
  title: Schema.String,
  credits: PositiveCredits,
  country: Country,
  currency: Currency,
  amount: Money,
  taxBreakdown: Schema.optionalKey(TaxBreakdown),
  paymentMethod: Schema.optionalKey(Schema.String),
  orderPlacedAt: Timestamp,
  settledAt: Timestamp,
  issuedAt: Timestamp,
  merchant: ReceiptMerchant
}).annotate({ identifier: "Receipt" })
export type Receipt = typeof Receipt.Type

/** What a receipt keeps of purchase, product and merchant, in wire form. */
export type ReceiptSnapshot = Omit<
  typeof Receipt.Encoded,
  "receiptNumber" | "userId" | "externalRef" | "lotId" | "issuedAt"
>

/** A receipt as the rules make it. */
export interface ReceiptState {
  readonly receiptNumber: string
  readonly year: number
  readonly number: number
  readonly externalRef: string
  readonly userId: string
  readonly lotId: string
  readonly issuedAt: number
  readonly snapshot: ReceiptSnapshot
}

/** `PREFIX-YYYY-NNNN…`: at least four digits, more when a year has more. */
export const receiptNumber = (prefix: string, year: number, number: number): string =>
  `${prefix}-${year}-${`${number}`.padStart(4, "0")}`

/** The wire form of a receipt. */
export const presentReceipt = (receipt: ReceiptState): typeof Receipt.Encoded => ({
  receiptNumber: receipt.receiptNumber,
  userId: receipt.userId,
  externalRef: receipt.externalRef,
  lotId: receipt.lotId,
  issuedAt: timestampText(receipt.issuedAt),
  ...receipt.snapshot
})
