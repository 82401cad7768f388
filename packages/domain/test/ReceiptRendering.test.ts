import { type ReceiptJson, receiptHtml, receiptMarkdown, receiptText } from "@credit/domain/ReceiptRendering"
import { describe, expect, it } from "vitest"

const receipt: ReceiptJson = {
  receiptNumber: "ACME-2026-0042",
  userId: "ann",
  externalRef: "pay_1001",
  lotId: "0198c2f0-0000-7000-8000-000000000001",
  productCode: "pro",
  title: "Pro",
  credits: 1000,
  country: "DE",
  currency: "USD",
  amount: "79",
  taxBreakdown: { regime: "vat", rate: "20", net: "65.83", tax: "13.17", gross: "79" },
  paymentMethod: "card",
  orderPlacedAt: "2026-01-15T10:00:00.000Z",
  settledAt: "2026-01-15T10:00:05.123Z",
  issuedAt: "2026-01-15T10:00:06.000Z",
  merchant: {
    merchantId: "acme",
    legalName: "Acme LLC",
    legalAddress: "1 Main Street\nYerevan",
    taxId: "01234567"
  }
}
const nasty = `<script>alert("x")</script> & 'it' | *b* [l](javascript:x) \`c\`\n\n# head\u2028<img src=x onerror=y>`
const hostile: ReceiptJson = {
  ...receipt,
  title: nasty,
  externalRef: `"><b>`,
  userId: "a|b",
  paymentMethod: "</dd>",
  taxBreakdown: { regime: nasty, net: "79", tax: "0", gross: "79" },
  merchant: { merchantId: "acme", legalName: nasty, legalAddress: `${nasty}\r\n${nasty}`, taxId: nasty }
}

describe("a receipt as text", () => {
  it("says who sold what to whom, when, and what of the price is tax", () => {
    expect(receiptText(receipt)).toBe(`Receipt ACME-2026-0042
======================

Acme LLC
1 Main Street
Yerevan
Tax ID 01234567

Issued             2026-01-15 10:00:06 UTC
Ordered            2026-01-15 10:00:00 UTC
Paid               2026-01-15 10:00:05 UTC
Payment method     card
Payment reference  pay_1001
Customer           ann
Country            DE

Pro: 1000 credits                                              79.00 USD
------------------------------------------------------------------------
Net                                                            65.83 USD
VAT 20 %                                                       13.17 USD
Total                                                          79.00 USD
`)
  })

  it("has no lines but its own", () => {
    const lines = (text: string) => text.split(/[\n\r\u2028]/).length
    // An address has as many as it has: here four instead of two.
    expect(lines(receiptText(hostile))).toBe(lines(receiptText(receipt)) + 2)
  })

  it("leaves out what there is not: no tax, no address, no name", () => {
    const bare: ReceiptJson = {
      ...receipt,
      credits: 1,
      currency: "JPY",
      amount: "500",
      taxBreakdown: { regime: "none", net: "500", tax: "0", gross: "500" },
      merchant: { merchantId: "acme", legalName: "" }
    }
    const text = receiptText(bare)
    expect(text).toContain("\n\nacme\n\n")
    expect(text).toMatch(/Pro: 1 credit +500 JPY\n-+\nTotal +500 JPY\n$/)
    const { taxBreakdown: _, ...older } = bare
    expect(receiptText(older)).toBe(text)
  })

  it("tells tax on top of the price, and turnover tax within it", () => {
    const onTop = receiptText({ ...receipt, taxBreakdown: { regime: "sales", net: "79", tax: "6.32", gross: "85.32" } })
    expect(onTop).toMatch(/credits +79.00 USD\n-+\nNet +79.00 USD\nTax \(sales\) +6.32 USD\nTotal +85.32 USD/)
    const within = { regime: "turnover", rate: "5", net: "75.05", tax: "3.95", gross: "79" }
    expect(receiptText({ ...receipt, taxBreakdown: within })).toMatch(/Turnover tax 5 % +3.95 USD/)
  })
})

describe("a receipt as Markdown", () => {
  it("is a heading, the seller and two tables", () => {
    expect(receiptMarkdown(receipt)).toBe(`# Receipt ACME-2026-0042

**Acme LLC**${"  "}
1 Main Street${"  "}
Yerevan${"  "}
Tax ID 01234567

| | |
| :--- | :--- |
| Issued | 2026-01-15 10:00:06 UTC |
| Ordered | 2026-01-15 10:00:00 UTC |
| Paid | 2026-01-15 10:00:05 UTC |
| Payment method | card |
| Payment reference | pay\\_1001 |
| Customer | ann |
| Country | DE |

| Item | Amount |
| :--- | ---: |
| Pro: 1000 credits | 79.00 USD |
| Net | 65.83 USD |
| VAT 20 % | 13.17 USD |
| **Total** | **79.00 USD** |
`)
  })

  it("has no markup but its own", () => {
    const text = receiptMarkdown(hostile)
    for (const line of text.split("\n").filter((it) => it.startsWith("|"))) {
      expect(line.replaceAll("\\|", "").split("|"), line).toHaveLength(4)
    }
    expect(text.split("\n").filter((line) => line.startsWith("#"))).toHaveLength(1)
    const address = "- x\n+ x\n===\n---\n1. x\n2) x\n# x\n> x"
    const listed = receiptMarkdown({ ...receipt, merchant: { ...receipt.merchant, legalAddress: address } })
    expect(listed.split("\n").filter((line) => /^(?:[-+=>]|\d+[.)]|# x)/.test(line))).toEqual([])
    expect(text.replace(/\\./g, "").replaceAll("**", "")).not.toMatch(/[<>&`*[\]]/)
  })
})

describe("a receipt as HTML", () => {
  it("holds every part", () => {
    const page = receiptHtml(receipt)
    for (const part of [
      "<title>Receipt ACME-2026-0042</title>",
      "<strong>Acme LLC</strong><br>\n1 Main Street<br>\nYerevan<br>\nTax ID 01234567",
      "<dt>Customer</dt><dd>ann</dd>",
      '<th scope="row">Pro: 1000 credits</th><td>79.00 USD</td>',
      '<th scope="row">VAT 20 %</th><td>13.17 USD</td>'
    ]) {
      expect(page).toContain(part)
    }
  })

  it("has no elements but its own, whatever its texts hold", () => {
    const elements = (page: string) => page.match(/<\/?[a-z!][^>]*>/gi)
    const taxed = { ...receipt, taxBreakdown: { regime: "x", net: "79", tax: "0", gross: "79" } }
    const lines = elements(receiptHtml(taxed)) ?? []
    // The address has one line less than the hostile one's.
    expect(elements(receiptHtml(hostile))?.filter((it) => it !== "<br>")).toEqual(lines.filter((it) => it !== "<br>"))
    expect(receiptHtml(hostile)).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;it&#39;")
  })
})
