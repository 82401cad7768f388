import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { maybe } from "../../flags/Checked.ts"
import { instantFlag, userArgument } from "../../flags/Common.ts"
import { fields, heading, stack } from "../../output/Block.ts"
import { chart } from "../../output/Chart.ts"
import { count, credits } from "../../output/Words.ts"
import { tell } from "../shared.ts"
import { balances, wholeStatement } from "../statements.ts"

const MONTH = 30 * 86_400_000

export const timeline = Command.make(
  "timeline",
  {
    user: userArgument,
    from: maybe(instantFlag("from", "Since when (default: 30 days ago)")),
    to: maybe(instantFlag("to", "Until when (default: now)"))
  },
  Effect.fn("cli.user.timeline")(function* ({ from, to, user }) {
    const end = to ?? new Date().toISOString()
    const whole = yield* wholeStatement(user, {
      from: from ?? new Date(Date.parse(end) - MONTH).toISOString(),
      to: end
    })
    const points = balances(whole)
    const values = points.map(({ balance }) => balance)
    yield* tell(
      { userId: user, from: whole.from, to: whole.to, asOf: whole.asOf, points },
      stack(
        heading(`Balance of ${user}`),
        chart(
          points.map(({ at, balance }) => ({ at: Date.parse(at), value: balance })),
          Date.parse(whole.from),
          Date.parse(whole.to)
        ),
        fields({
          opening: count(whole.opening, "credit"),
          lowest: credits(Math.min(...values)),
          highest: credits(Math.max(...values)),
          closing: count(whole.closing, "credit"),
          movements: credits(points.length - 1)
        })
      )
    )
  })
).pipe(
  Command.withDescription("A user's balance over time, as a chart"),
  Command.withExamples([
    { command: "credit-cli user timeline ann", description: "The last 30 days" },
    { command: "credit-cli user timeline ann --from 24h", description: "The last day" }
  ])
)
