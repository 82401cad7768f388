import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present } from "../../flags/Checked.ts"
import { pageFlags, userArgument } from "../../flags/Common.ts"
import { periodFlags, periodOf } from "../../flags/Period.ts"
import { table } from "../../output/Table.ts"
import { credits } from "../../output/Words.ts"
import { Service } from "../../Service.ts"
import { tellPage } from "../shared.ts"

export const usage = Command.make(
  "usage",
  {
    user: userArgument,
    ...periodFlags,
    by: maybe(
      Flag.Literals("by", ["day", "month"]).pipe(
        Flag.withMetavar("span"),
        Flag.withDescription("A row for each day or month")
      )
    ),
    ...pageFlags
  },
  Effect.fn("cli.user.usage")(function* ({ by, cursor, limit, user, ...period }) {
    const service = yield* Service
    const { from, to } = yield* periodOf(period)
    const page = yield* service.query((client, options) =>
      client.getUsageSummary({ userId: user, from, to, limit, ...present({ by, cursor }) }, options)
    )
    yield* tellPage(
      page,
      table(
        [
          { title: "from", value: ({ periodStart }) => periodStart.slice(0, 10) },
          { title: "type", value: ({ operationTypeCode }) => operationTypeCode },
          { title: "operations", value: ({ operations }) => credits(operations), right: true },
          { title: "used", value: ({ resourceAmount }) => resourceAmount, right: true },
          { title: "unit", value: ({ resourceUnit }) => resourceUnit },
          { title: "credits", value: ({ credits: cost }) => credits(cost), right: true }
        ],
        page.usage,
        "Nothing was used"
      )
    )
  })
).pipe(
  Command.withDescription("What a user's operations used and cost"),
  Command.withExamples([
    { command: "credit-cli user usage ann", description: "This month" },
    { command: "credit-cli user usage ann --from 7d --by day", description: "Day by day" }
  ])
)
