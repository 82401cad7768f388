import * as Schema from "effect/Schema"
import { PositiveCredits } from "./Credits.ts"
import { Money } from "./Decimal.ts"
import { Code, Country, Currency, LotId, UserId } from "./Ids.ts"
import { TaxBreakdown } from "./Receipt.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** A settled purchase: the one effect of its payment reference, for ever. */
export const Purchase = Schema.Struct({
  externalRef: Code,
  userId: UserId,
  productCode: Code,
  /** What it gave. */
  credits: PositiveCredits,
  country: Country,
  currency: Currency,
  amount: Money,
  taxBreakdown: Schema.optionalKey(TaxBreakdown),
  paymentMethod: Schema.optionalKey(Schema.String),
  lotId: LotId,
  receiptNumber: Schema.String,
  /** The client's words: when the order was placed and the payment settled. */
  orderPlacedAt: Timestamp,
  settledAt: Timestamp,
  /** When the lot was issued. */
  purchasedAt: Timestamp
}).annotate({ identifier: "Purchase" })
export type Purchase = typeof Purchase.Type

/** A purchase as it is stored. Decimals are in their canonical text, instants in epoch milliseconds. */
export interface StoredPurchase {
  readonly externalRef: string
  readonly userId: string
  readonly productCode: string
  readonly credits: number
  readonly country: string
  readonly currency: string
  readonly amount: string
  readonly taxBreakdown: typeof TaxBreakdown.Encoded | null
  readonly paymentMethod: string | null
  readonly lotId: string
  readonly receiptNumber: string
  readonly orderPlacedAt: number
  readonly settledAt: number
  readonly purchasedAt: number
}

/** The wire form of a purchase. */
export const presentPurchase = (purchase: StoredPurchase): typeof Purchase.Encoded => ({
  externalRef: purchase.externalRef,
  userId: purchase.userId,
  productCode: purchase.productCode,
  credits: purchase.credits,
  country: purchase.country,
  currency: purchase.currency,
  amount: purchase.amount,
  ...(purchase.taxBreakdown === null ? {} : { taxBreakdown: purchase.taxBreakdown }),
  ...(purchase.paymentMethod === null ? {} : { paymentMethod: purchase.paymentMethod }),
  lotId: purchase.lotId,
  receiptNumber: purchase.receiptNumber,
  orderPlacedAt: timestampText(purchase.orderPlacedAt),
  settledAt: timestampText(purchase.settledAt),
  purchasedAt: timestampText(purchase.purchasedAt)
})
