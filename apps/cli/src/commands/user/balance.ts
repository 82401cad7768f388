import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { userArgument } from "../../flags/Common.ts"
import { stack } from "../../output/Block.ts"
import { table } from "../../output/Table.ts"
import { Service } from "../../Service.ts"
import { balanceFields, lotColumns } from "../accounts.ts"
import { tell } from "../shared.ts"

export const balance = Command.make(
  "balance",
  { user: userArgument },
  Effect.fn("cli.user.balance")(function* ({ user }) {
    const service = yield* Service
    const answer = yield* service.query((client, options) => client.getUserBalance({ userId: user }, options))
    yield* tell(
      answer,
      stack(
        balanceFields(answer),
        answer.activeLots.length === 0 ? undefined : table(lotColumns, answer.activeLots, "")
      )
    )
  })
).pipe(
  Command.withDescription(
    "What a user has now: the balance, what open operations hold of it, what is available, and the lots in the order in which they are spent"
  ),
  Command.withShortDescription("What a user has now"),
  Command.withExamples([
    { command: "credit-cli user balance ann", description: "Ann's balance and lots" },
    {
      command: "credit-cli user balance ann --json | jq .available",
      description: "What Ann may still claim, for a script"
    }
  ])
)
