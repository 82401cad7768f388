import * as BigDecimal from "effect/BigDecimal"
import { formatMoney } from "./Currency.ts"
import type { Receipt } from "./Receipt.ts"

/** A receipt in wire form, as the service answers it and the client's promises give it. */
export type ReceiptJson = typeof Receipt.Encoded

/** What a receipt says, in the order in which it is read; each form only sets it. Texts are as they came, on one line. */
interface Content {
  readonly heading: string
  /** Who sold: name, lines of the address, tax id. */
  readonly seller: ReadonlyArray<string>
  readonly details: ReadonlyArray<readonly [label: string, value: string]>
  readonly item: readonly [what: string, amount: string]
  /** What of the total is net and what tax; nothing where there is no tax. */
  readonly breakdown: ReadonlyArray<readonly [label: string, amount: string]>
  readonly total: readonly [label: string, amount: string]
}

const contentOf = (receipt: ReceiptJson): Content => {
  const { currency, merchant, taxBreakdown: tax } = receipt
  const money = (amount: string) => formatMoney(BigDecimal.fromStringUnsafe(amount), currency)
  const given = (label: string, value: string | undefined) =>
    value === undefined ? [] : [[label, oneLine(value)] as const]
  const name = merchant.legalName === "" ? merchant.merchantId : merchant.legalName
  return {
    heading: `Receipt ${receipt.receiptNumber}`,
    seller: [name, ...(merchant.legalAddress ?? "").split(/[\r\n]+/)]
      .concat(merchant.taxId === undefined ? [] : `Tax ID ${merchant.taxId}`)
      .map(oneLine)
      .filter((line) => line !== ""),
    details: [
      ["Issued", instant(receipt.issuedAt)],
      ["Ordered", instant(receipt.orderPlacedAt)],
      ["Paid", instant(receipt.settledAt)],
      ...given("Payment method", receipt.paymentMethod),
      ...given("Payment reference", receipt.externalRef),
      ...given("Customer", receipt.userId),
      ...given("Country", receipt.country)
    ],
    item: [
      `${oneLine(receipt.title)}: ${receipt.credits} ${receipt.credits === 1 ? "credit" : "credits"}`,
      money(receipt.amount)
    ],
    breakdown:
      tax === undefined || tax.regime === "none"
        ? []
        : [
            ["Net", money(tax.net)],
            [taxLabel(tax.regime, tax.rate), money(tax.tax)]
          ],
    total: ["Total", money(tax?.gross ?? receipt.amount)]
  }
}

const taxLabel = (regime: string, rate: string | undefined): string => {
  const names: Readonly<Record<string, string>> = { vat: "VAT", turnover: "Turnover tax" }
  const name = Object.hasOwn(names, regime) ? names[regime] : `Tax (${oneLine(regime)})`
  return rate === undefined ? `${name}` : `${name} ${rate} %`
}

const instant = (text: string): string => text.replace(/^(.{10})T(.{8}).*$/, "$1 $2 UTC")

/** Line breaks and other controls become spaces: what a merchant or user wrote cannot draw lines of its own. */
const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim()

const WIDTH = 72

/** A receipt as plain text, amounts to the right in 72 columns (wider where a line needs it). */
export const receiptText = (receipt: ReceiptJson): string => {
  const { breakdown, details, heading, item, seller, total } = contentOf(receipt)
  const label = Math.max(...details.map(([name]) => name.length))
  const line = ([left, right]: readonly [string, string]) =>
    `${left}  ${right.padStart(Math.max(0, WIDTH - left.length - 2))}`
  return [
    heading,
    "=".repeat(heading.length),
    "",
    ...seller,
    "",
    ...details.map(([name, value]) => `${name.padEnd(label)}  ${value}`),
    "",
    line(item),
    "-".repeat(WIDTH),
    ...breakdown.map(line),
    line(total),
    ""
  ].join("\n")
}

/** A receipt as (GitHub-flavoured) Markdown. Nothing in it can become markup. */
export const receiptMarkdown = (receipt: ReceiptJson): string => {
  const { breakdown, details, heading, item, seller, total } = contentOf(receipt)
  const row = ([left, right]: readonly [string, string]) => `| ${markdown(left)} | ${markdown(right)} |`
  const [name = "", ...rest] = seller
  return [
    `# ${markdown(heading)}`,
    "",
    // Two spaces at its end keep a line a line.
    [`**${markdown(name)}**`, ...rest.map(markdownLine)].join("  \n"),
    "",
    "| | |",
    "| :--- | :--- |",
    ...details.map(row),
    "",
    "| Item | Amount |",
    "| :--- | ---: |",
    row(item),
    ...breakdown.map(row),
    `| **${markdown(total[0])}** | **${markdown(total[1])}** |`,
    ""
  ].join("\n")
}

const markdown = (text: string): string => text.replace(/[\\`*_[\]<>|~&$]/g, "\\$&")

/** A line of its own can become a heading, a list or a rule by how it begins. */
const markdownLine = (text: string): string =>
  markdown(text)
    .replace(/^[-+=#]/, "\\$&")
    .replace(/^(\d+)([.)])/, "$1\\$2")

const STYLE = `
  body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 42rem; margin: 3rem auto; padding: 0 1.5rem; }
  h1 { font-size: 1.6rem; font-weight: 600; margin: 0 0 1.5rem; }
  address { font-style: normal; margin-bottom: 2rem; }
  address strong { font-size: 1.05rem; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 2rem; margin: 0 0 2rem; }
  dt { color: #666; }
  dd { margin: 0; overflow-wrap: anywhere; }
  table { width: 100%; border-collapse: collapse; }
  th, td { text-align: left; padding: 0.5rem 0; font-weight: 400; overflow-wrap: anywhere; }
  td { text-align: right; white-space: nowrap; padding-left: 2rem; font-variant-numeric: tabular-nums; }
  tbody th, tbody td { border-top: 1px solid #ccc; border-bottom: 1px solid #ccc; }
  tfoot tr:last-child th, tfoot tr:last-child td { font-weight: 600; font-size: 1.15rem; border-top: 2px solid #1c1c1c; }
  @media print { body { margin: 0; max-width: none; } }
`

/** A receipt as one HTML document, with its style, for screen and print. Whatever its texts hold, they stay text. */
export const receiptHtml = (receipt: ReceiptJson): string => {
  const { breakdown, details, heading, item, seller, total } = contentOf(receipt)
  const row = ([left, right]: readonly [string, string]) =>
    `<tr><th scope="row">${html(left)}</th><td>${html(right)}</td></tr>`
  const [name = "", ...rest] = seller
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(heading)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${html(heading)}</h1>
<address>${[`<strong>${html(name)}</strong>`, ...rest.map(html)].join("<br>\n")}</address>
<dl>
${details.map(([label, value]) => `<dt>${html(label)}</dt><dd>${html(value)}</dd>`).join("\n")}
</dl>
<table>
<tbody>${row(item)}</tbody>
<tfoot>
${[...breakdown, total].map(row).join("\n")}
</tfoot>
</table>
</body>
</html>
`
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const html = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
