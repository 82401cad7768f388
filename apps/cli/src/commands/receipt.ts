import { Code } from "@credit/domain/Ids"
import type { Receipt } from "@credit/domain/Receipt"
import { receiptHtml, receiptMarkdown, receiptText } from "@credit/domain/ReceiptRendering"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, textArgument } from "../flags/Checked.ts"
import { pageFlags, userArgument } from "../flags/Common.ts"
import { type Block, fields, text } from "../output/Block.ts"
import { type Column, table } from "../output/Table.ts"
import { count, credits, instant, money } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { tell, tellPage } from "./shared.ts"

type ReceiptJson = typeof Receipt.Encoded

const RENDERINGS = { text: receiptText, markdown: receiptMarkdown, html: receiptHtml }

const columns: ReadonlyArray<Column<ReceiptJson>> = [
  { title: "receipt", value: ({ receiptNumber }) => receiptNumber },
  { title: "issued", value: ({ issuedAt }) => instant(issuedAt) },
  { title: "product", value: ({ productCode }) => productCode, shrink: true },
  { title: "credits", value: ({ credits: bought }) => credits(bought), right: true },
  { title: "amount", value: ({ amount, currency }) => money(amount, currency), right: true },
  { title: "payment", value: ({ externalRef }) => externalRef, shrink: true }
]

export const receiptFields = (receipt: ReceiptJson): Block => {
  const { merchant, taxBreakdown: tax } = receipt
  return fields({
    receipt: receipt.receiptNumber,
    issued: instant(receipt.issuedAt),
    user: receipt.userId,
    payment: receipt.externalRef,
    product: `${receipt.productCode} (${receipt.title}), ${count(receipt.credits, "credit")}`,
    amount: money(receipt.amount, receipt.currency),
    tax:
      tax === undefined || tax.regime === "none"
        ? undefined
        : `${money(tax.tax, receipt.currency)} ${tax.regime}, ${money(tax.net, receipt.currency)} net`,
    country: receipt.country,
    "paid by": receipt.paymentMethod,
    ordered: instant(receipt.orderPlacedAt),
    settled: instant(receipt.settledAt),
    lot: receipt.lotId,
    merchant: [merchant.legalName, merchant.legalAddress, merchant.taxId]
      .filter((part) => part !== undefined)
      .join(", ")
  })
}

const list = Command.make(
  "list",
  { user: userArgument, ...pageFlags },
  Effect.fn("cli.receipt.list")(function* ({ cursor, limit, user }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.listReceipts({ userId: user, limit, ...present({ cursor }) }, options)
    )
    yield* tellPage(page, table(columns, page.receipts, "No receipts"))
  })
).pipe(
  Command.withDescription("A user's receipts, newest first"),
  Command.withExamples([{ command: "credit-cli receipt list ann", description: "What Ann has paid for" }])
)

const show = Command.make(
  "show",
  {
    receipt: textArgument("receipt", Code).pipe(Argument.withDescription("Its number, such as R-2026-0001")),
    format: maybe(
      Flag.Literals("format", ["text", "markdown", "html"]).pipe(
        Flag.withMetavar("format"),
        Flag.withDescription("The receipt as its buyer gets it, in place of a list of fields")
      )
    ),
    byPayment: Flag.Boolean("by-payment").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("The argument is the payment's reference instead")
    )
  },
  Effect.fn("cli.receipt.show")(function* ({ byPayment, format, receipt }) {
    const service = yield* Service
    const answer = yield* service.query((client, options) =>
      client.getReceipt(byPayment ? { externalRef: receipt } : { receiptNumber: receipt }, options)
    )
    yield* tell(answer, format === undefined ? receiptFields(answer) : text(RENDERINGS[format](answer).trimEnd()))
  })
).pipe(
  Command.withDescription("One receipt, by its number or by the payment it proves"),
  Command.withExamples([
    { command: "credit-cli receipt show R-2026-0001", description: "By number" },
    { command: "credit-cli receipt show payment-1001 --by-payment", description: "By the payment's reference" },
    { command: "credit-cli receipt show R-2026-0001 --format html > receipt.html", description: "To send to the buyer" }
  ])
)

export const receipt = Command.make("receipt").pipe(
  Command.withDescription("Proofs of purchase"),
  Command.withSubcommands([list, show])
)
