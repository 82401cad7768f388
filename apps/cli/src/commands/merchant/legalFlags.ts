import { text as textOf } from "@credit/domain/Ids"
import { ReceiptPrefix, TaxRate, TaxRegime } from "@credit/domain/Merchant"
import * as Flag from "effect/cli/Flag"
import { maybe, textFlag } from "../../flags/Checked.ts"

const textSetting = (name: string, maximum: number, description: string) =>
  maybe(textFlag(name, textOf(maximum)).pipe(Flag.withMetavar("text"), Flag.withDescription(description)))

/** Who a merchant is on its receipts, and how it is taxed. */
export const legalFlags = {
  legalName: textSetting("legal-name", 500, "Who sells, on receipts"),
  legalAddress: textSetting("legal-address", 2000, "Where, on receipts"),
  taxId: textSetting("tax-id", 200, "The seller's tax number"),
  taxRegime: maybe(
    Flag.Literals("tax-regime", TaxRegime.literals).pipe(
      Flag.withMetavar("regime"),
      Flag.withDescription("How prices are taxed; they include it always")
    )
  ),
  taxRate: maybe(
    textFlag("tax-rate", TaxRate).pipe(Flag.withMetavar("percent"), Flag.withDescription("Per cent; vat needs one"))
  ),
  receiptPrefix: maybe(
    textFlag("receipt-prefix", ReceiptPrefix).pipe(
      Flag.withMetavar("prefix"),
      Flag.withDescription("What receipt numbers begin with from now on")
    )
  )
} as const
