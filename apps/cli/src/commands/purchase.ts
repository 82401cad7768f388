import { Money } from "@credit/domain/Decimal"
import { Code, Country, Currency } from "@credit/domain/Ids"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, textFlag } from "../flags/Checked.ts"
import { codeFlag, fixedInstantFlag, userFlag } from "../flags/Common.ts"
import { firstTry, writeFlags } from "../flags/Write.ts"
import { count } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { balanceFields } from "./accounts.ts"
import { receiptFields } from "./receipt.ts"
import { tellWritten } from "./shared.ts"

const settle = Command.make(
  "settle",
  {
    user: userFlag,
    product: codeFlag("product", "What was sold"),
    payment: codeFlag("payment", "The payment's reference: it is booked once, for ever"),
    amount: textFlag("amount", Money).pipe(
      Flag.withMetavar("decimal"),
      Flag.withDescription("What was paid: the amount of the product's price row")
    ),
    currency: textFlag("currency", Currency).pipe(
      Flag.withMetavar("code"),
      Flag.withDescription("ISO 4217, such as USD")
    ),
    country: textFlag("country", Country).pipe(
      Flag.withMetavar("code"),
      Flag.withDescription("The buyer's, ISO 3166, such as DE; it chooses the price row")
    ),
    method: maybe(
      textFlag("method", Code).pipe(Flag.withMetavar("code"), Flag.withDescription("How it was paid, for the receipt"))
    ),
    ordered: maybe(fixedInstantFlag("ordered", "When the order was placed; chooses product and price (default: now)")),
    settled: maybe(fixedInstantFlag("settled", "When the payment was settled (default: now)")),
    ...writeFlags
  },
  Effect.fn("cli.purchase.settle")(function* (given) {
    const { amount, country, currency, dryRun, method, ordered, payment, product, settled, user } = given
    const { idempotencyKey, now } = yield* firstTry(given, { ordered, settled })
    const service = yield* Service
    const written = yield* service.command({ dryRun, idempotencyKey }, (client, options) =>
      client.purchase.settled(
        {
          userId: user,
          productCode: product,
          settlementData: {
            externalRef: payment,
            orderPlacedAt: ordered ?? now,
            settledAt: settled ?? now,
            ...present({ paymentMethod: method }),
            pricingSnapshot: { country, currency, amount }
          }
        },
        options
      )
    )
    const { lot, receipt, userBalance } = written.answer
    yield* tellWritten(
      written,
      `${user} bought ${count(lot.creditsTotal, "credit")}`,
      receiptFields(receipt),
      balanceFields(userBalance)
    )
  })
).pipe(
  Command.withDescription(
    "Book a payment that was settled: one lot and one receipt. Apps do this; by hand it makes up for a notification that was lost"
  ),
  Command.withShortDescription("Book a payment that was settled"),
  Command.withExamples([
    {
      command:
        "credit-cli purchase settle --user ann --product starter --payment payment-1001 --amount 9.99 --currency USD --country DE",
      description: "A pack of credits; again with the same payment it changes nothing"
    }
  ])
)

export const purchase = Command.make("purchase").pipe(
  Command.withDescription("Payments that became credits"),
  Command.withSubcommands([settle])
)
