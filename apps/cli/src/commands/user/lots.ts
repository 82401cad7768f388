import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { present } from "../../flags/Checked.ts"
import { pageFlags, userArgument } from "../../flags/Common.ts"
import { table } from "../../output/Table.ts"
import { instant } from "../../output/Words.ts"
import { Service } from "../../Service.ts"
import { lotColumns } from "../accounts.ts"
import { tellPage } from "../shared.ts"

export const lots = Command.make(
  "lots",
  {
    user: userArgument,
    active: Flag.Boolean("active").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Only lots with credits left")
    ),
    ...pageFlags
  },
  Effect.fn("cli.user.lots")(function* ({ active, cursor, limit, user }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.listLots({ userId: user, activeOnly: active, limit, ...present({ cursor }) }, options)
    )
    yield* tellPage(
      page,
      table(
        lotColumns.toSpliced(4, 0, { title: "issued", value: ({ issuedAt }) => instant(issuedAt) }),
        page.lots,
        active ? "No lots with credits left" : "No lots"
      )
    )
  })
).pipe(
  Command.withDescription("A user's lots, newest first: what was issued, what is left, and until when"),
  Command.withExamples([
    { command: "credit-cli user lots ann", description: "All of them" },
    { command: "credit-cli user lots ann --active", description: "Those with credits left" }
  ])
)
