import { Code } from "@credit/domain/Ids"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { present, textArgument } from "../../flags/Checked.ts"
import { pageFlags } from "../../flags/Common.ts"
import { table } from "../../output/Table.ts"
import { Service } from "../../Service.ts"
import { tellPage } from "../shared.ts"
import { purchaseColumns } from "./purchases.ts"

export const find = Command.make(
  "find",
  {
    payment: textArgument("payment", Code).pipe(Argument.withDescription("The payment's reference")),
    prefix: Flag.Boolean("prefix").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("References that begin so")
    ),
    ...pageFlags
  },
  Effect.fn("cli.user.find")(function* ({ cursor, limit, payment, prefix }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.searchUsersByPurchaseRef(
        { externalRef: payment, match: prefix ? "prefix" : "exact", limit, ...present({ cursor }) },
        options
      )
    )
    yield* tellPage(
      page,
      table([{ title: "user", value: ({ userId }) => userId }, ...purchaseColumns], page.purchases, "No such payment")
    )
  })
).pipe(
  Command.withDescription("Who paid: the user of a payment reference. For an admin"),
  Command.withExamples([
    { command: "credit-cli user find payment-1001", description: "Whose payment it is" },
    { command: "credit-cli user find payment-10 --prefix", description: "All that begin so" }
  ])
)
