import type { Purchase } from "@credit/domain/Purchase"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { present } from "../../flags/Checked.ts"
import { pageFlags, userArgument } from "../../flags/Common.ts"
import { type Column, table } from "../../output/Table.ts"
import { credits, instant, money } from "../../output/Words.ts"
import { Service } from "../../Service.ts"
import { tellPage } from "../shared.ts"

export const purchaseColumns: ReadonlyArray<Column<typeof Purchase.Encoded>> = [
  { title: "payment", value: ({ externalRef }) => externalRef },
  { title: "bought", value: ({ purchasedAt }) => instant(purchasedAt) },
  { title: "product", value: ({ productCode }) => productCode, shrink: true },
  { title: "credits", value: ({ credits: bought }) => credits(bought), right: true },
  { title: "amount", value: ({ amount, currency }) => money(amount, currency), right: true },
  { title: "receipt", value: ({ receiptNumber }) => receiptNumber }
]

export const purchases = Command.make(
  "purchases",
  { user: userArgument, ...pageFlags },
  Effect.fn("cli.user.purchases")(function* ({ cursor, limit, user }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.listPurchases({ userId: user, limit, ...present({ cursor }) }, options)
    )
    yield* tellPage(page, table(purchaseColumns, page.purchases, "No purchases"))
  })
).pipe(
  Command.withDescription("A user's purchases, newest first"),
  Command.withExamples([{ command: "credit-cli user purchases ann", description: "What Ann has bought" }])
)
