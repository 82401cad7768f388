import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { userArgument } from "../../flags/Common.ts"
import { fields, heading, stack } from "../../output/Block.ts"
import { table } from "../../output/Table.ts"
import { credits, instant, maybeInstant, movement } from "../../output/Words.ts"
import { Service } from "../../Service.ts"
import { balanceFields, entryColumns, lotColumns } from "../accounts.ts"
import { operationColumns } from "../operation.ts"
import { tell } from "../shared.ts"
import { dueTable } from "./history.ts"
import { purchaseColumns } from "./purchases.ts"

export const show = Command.make(
  "show",
  { user: userArgument },
  Effect.fn("cli.user.show")(function* ({ user }) {
    const service = yield* Service
    const answer = yield* service.query((client, options) => client.getAccountOverview({ userId: user }, options))
    const { balance, due, entryCount, lastMovedAt, latestEntries, latestPurchases, openOperations, totals } = answer
    yield* tell(
      answer,
      stack(
        balanceFields(balance),
        fields({ entries: credits(entryCount), "last moved": maybeInstant(lastMovedAt) }),
        balance.activeLots.length === 0 ? undefined : table(lotColumns, balance.activeLots, ""),
        heading("Open operations"),
        table(operationColumns, openOperations, "None"),
        heading("Latest entries"),
        table(entryColumns, latestEntries, "None"),
        due.length === 0 ? undefined : dueTable(due),
        heading("Latest purchases"),
        table(purchaseColumns, latestPurchases, "None"),
        heading(`Since ${instant(answer.totalsFrom)}`),
        table(
          [
            { title: "reason", value: ({ reason }) => reason },
            { title: "entries", value: ({ entries }) => credits(entries), right: true },
            { title: "credits", value: ({ amount }) => movement(amount), right: true }
          ],
          totals,
          "Nothing"
        )
      )
    )
  })
).pipe(
  Command.withDescription(
    "All there is to know of a user at a glance: balance, lots, open operations, latest entries and purchases. For an admin"
  ),
  Command.withShortDescription("All there is to know of a user at a glance"),
  Command.withExamples([{ command: "credit-cli user show ann", description: "When Ann is on the telephone" }])
)
