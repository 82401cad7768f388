import * as DateTime from "effect/DateTime"
import { canonicalDecimal } from "../Decimal.ts"
import { presentLot } from "../Lot.ts"
import { type ProductState, priceFor } from "../Product.ts"
import { presentReceipt, type ReceiptState, receiptNumber } from "../Receipt.ts"
import { addsUp, taxOf } from "../Tax.ts"
import type { Booking } from "./Booking.ts"
import { issuedLot, issueNow, open, tooFarAhead, userBalance } from "./common.ts"
import { type Answers, type Decider, type Decision, invalid, refuse, succeed } from "./Decision.ts"
import type { PurchaseState, State } from "./State.ts"

type Payload = Parameters<Decider<"Purchase.Settled">>[1]

/** Decides `Purchase.Settled`: one lot and one receipt for a payment reference, for ever (rule 9). */
export const purchaseSettled: Decider<"Purchase.Settled"> = (state, payload, { newId }) => {
  const { settlementData } = payload
  const booking = open(state, payload.userId, newId)
  const settled = state.purchases.get(settlementData.externalRef)
  if (settled !== undefined) return again(state, booking, payload, settled)

  const ahead =
    tooFarAhead("settlementData.orderPlacedAt", settlementData.orderPlacedAt, booking) ??
    tooFarAhead("settlementData.settledAt", settlementData.settledAt, booking)
  if (ahead !== undefined) return ahead

  const sold = soldProduct(state.products.get(payload.productCode), payload)
  if (typeof sold === "string") return refuse({ _tag: "ProductUnavailable", reason: sold }, booking)

  const { amount, taxBreakdown } = settlementData.pricingSnapshot
  if (taxBreakdown !== undefined && !addsUp(taxBreakdown, amount)) {
    const message = "net and tax are not the gross, or neither net nor gross is the price"
    return invalid("settlementData.pricingSnapshot.taxBreakdown", message, booking)
  }

  const { price, product } = sold
  const issued = issueNow(
    booking,
    {
      source: "purchase",
      productCode: product.productCode,
      externalRef: settlementData.externalRef,
      credits: product.credits,
      accessPeriodDays: product.accessPeriodDays
    },
    {
      reason: "purchase",
      operationType: settlementData.paymentMethod ?? "purchase",
      resourceAmount: price.amount,
      resourceUnit: price.currency,
      capturedRate: null,
      operationId: null,
      workflowId: null,
      note: null,
      actor: null
    }
  )
  if (issued === undefined) return invalid("userId", "the user's credits would exceed 2^53 − 1", booking)

  const receipt = makeReceipt(state, issued.booking.now, issued.lotId, payload, product)
  const lot = issued.booking.lots.find((it) => it.lotId === issued.lotId)
  if (lot === undefined) throw new Error("A purchase issued no lot")
  const { pricingSnapshot } = settlementData
  return succeed(
    {
      lot: issuedLot(issued.booking, issued.lotId),
      receipt: presentReceipt(receipt),
      userBalance: userBalance(state, issued.booking)
    },
    {
      booking: issued.booking,
      purchase: {
        externalRef: settlementData.externalRef,
        userId: payload.userId,
        productCode: product.productCode,
        country: pricingSnapshot.country,
        currency: pricingSnapshot.currency,
        amount: price.amount,
        lot,
        receipt
      }
    }
  )
}

/** The payment reference was settled before: the original result if this is the same purchase, else a conflict. */
const again = (
  state: State,
  booking: Booking,
  payload: Payload,
  settled: PurchaseState
): Decision<Answers["Purchase.Settled"]> => {
  const { pricingSnapshot } = payload.settlementData
  const differs: ReadonlyArray<readonly [field: string, differs: boolean]> = [
    ["userId", settled.userId !== payload.userId],
    ["productCode", settled.productCode !== payload.productCode],
    ["settlementData.pricingSnapshot.amount", settled.amount !== canonicalDecimal(pricingSnapshot.amount)],
    ["settlementData.pricingSnapshot.currency", settled.currency !== pricingSnapshot.currency],
    ["settlementData.pricingSnapshot.country", settled.country !== pricingSnapshot.country]
  ]
  const fields = differs.filter(([, is]) => is).map(([field]) => field)
  if (fields.length > 0) return refuse({ _tag: "IntentConflict", fields }, booking)
  // The lot as it stands now: what has been spent or expired of it since is not undone by asking again.
  const remaining = booking.account.lots.find((lot) => lot.lotId === settled.lot.lotId)?.remaining ?? 0
  return succeed(
    {
      lot: presentLot({ ...settled.lot, remaining }),
      receipt: presentReceipt(settled.receipt),
      userBalance: userBalance(state, booking)
    },
    { booking }
  )
}

/** The product with the price row that the snapshot names, or why it was not for sale when the order was placed. */
const soldProduct = (product: ProductState | undefined, payload: Payload) => {
  if (product === undefined) return "not_found"
  if (product.distribution !== "sellable") return "not_sellable"
  const { orderPlacedAt, pricingSnapshot } = payload.settlementData
  const at = DateTime.toEpochMillis(orderPlacedAt)
  if (at < product.effectiveAt) return "not_yet_effective"
  if (product.archivedAt !== null && at >= product.archivedAt) return "archived"
  const price = priceFor(product.prices, pricingSnapshot.country)
  if (price === undefined) return "country_unavailable"
  if (price.currency !== pricingSnapshot.currency || price.amount !== canonicalDecimal(pricingSnapshot.amount)) {
    return "pricing_mismatch"
  }
  return { product, price }
}

const makeReceipt = (
  state: State,
  now: number,
  lotId: string,
  payload: Payload,
  product: ProductState
): ReceiptState => {
  const { settings } = state
  const { settlementData } = payload
  const { pricingSnapshot } = settlementData
  // Never back into a year that was left: numbers are handed out in the order of the counter, not of clocks.
  const year = Math.max(new Date(now).getUTCFullYear(), state.receiptCounter.year)
  const number = year === state.receiptCounter.year ? state.receiptCounter.lastNumber + 1 : 1
  return {
    receiptNumber: receiptNumber(settings.receiptPrefix, year, number),
    year,
    number,
    externalRef: settlementData.externalRef,
    userId: payload.userId,
    lotId,
    issuedAt: now,
    snapshot: {
      productCode: product.productCode,
      title: product.title,
      credits: product.credits,
      country: pricingSnapshot.country,
      currency: pricingSnapshot.currency,
      amount: canonicalDecimal(pricingSnapshot.amount),
      taxBreakdown:
        pricingSnapshot.taxBreakdown === undefined
          ? taxOf(settings, pricingSnapshot.currency, canonicalDecimal(pricingSnapshot.amount))
          : encodeTax(pricingSnapshot.taxBreakdown),
      ...(settlementData.paymentMethod === undefined ? {} : { paymentMethod: settlementData.paymentMethod }),
      orderPlacedAt: DateTime.formatIso(settlementData.orderPlacedAt),
      settledAt: DateTime.formatIso(settlementData.settledAt),
      merchant: {
        merchantId: settings.merchantId,
        legalName: settings.legalName,
        ...(settings.legalAddress === null ? {} : { legalAddress: settings.legalAddress }),
        ...(settings.taxId === null ? {} : { taxId: settings.taxId })
      }
    }
  }
}

const encodeTax = (tax: NonNullable<Payload["settlementData"]["pricingSnapshot"]["taxBreakdown"]>) => ({
  regime: tax.regime,
  ...(tax.rate === undefined ? {} : { rate: canonicalDecimal(tax.rate) }),
  net: canonicalDecimal(tax.net),
  tax: canonicalDecimal(tax.tax),
  gross: canonicalDecimal(tax.gross)
})
