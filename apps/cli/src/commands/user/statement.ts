import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { userArgument } from "../../flags/Common.ts"
import { periodFlags, periodOf } from "../../flags/Period.ts"
import { fields, heading, stack } from "../../output/Block.ts"
import { table } from "../../output/Table.ts"
import { count, credits, instant, movement } from "../../output/Words.ts"
import { Service } from "../../Service.ts"
import { entryColumns } from "../accounts.ts"
import { tell } from "../shared.ts"
import { wholeStatement } from "../statements.ts"
import { dueTable } from "./history.ts"

export const statement = Command.make(
  "statement",
  { user: userArgument, ...periodFlags },
  Effect.fn("cli.user.statement")(function* ({ user, ...period }) {
    const service = yield* Service
    const whole = yield* wholeStatement(user, yield* periodOf(period))
    const { activeLots } = yield* service.query((client, options) => client.getUserBalance({ userId: user }, options))
    const expiries = activeLots
      .map(({ creditsRemaining, expiresAt, lotId }) => ({ lotId, creditsRemaining, expiresAt }))
      .toSorted((a, b) => Date.parse(a.expiresAt) - Date.parse(b.expiresAt))
    const { closing, complete, due, entries, from, opening, to, totals = [] } = whole
    yield* tell(
      { ...whole, nextExpiries: expiries },
      stack(
        heading(`Statement of ${user}, ${instant(from)} to ${instant(to)}`),
        fields({
          opening: count(opening, "credit"),
          ...Object.fromEntries(totals.map(({ amount, reason }) => [`  ${reason}`, movement(amount)])),
          closing: `${count(closing, "credit")}${complete ? "" : ", so far"}`
        }),
        table(entryColumns, entries, "No movements"),
        due.length === 0 ? undefined : dueTable(due),
        expiries.length === 0 ? undefined : heading("What expires next"),
        expiries.length === 0
          ? undefined
          : table(
              [
                { title: "expires", value: ({ expiresAt }) => instant(expiresAt) },
                { title: "credits", value: ({ creditsRemaining }) => credits(creditsRemaining), right: true },
                { title: "lot", value: ({ lotId }) => lotId, shrink: true, tail: true }
              ],
              expiries,
              ""
            )
      )
    )
  })
).pipe(
  Command.withDescription(
    "A user's statement: what there was at the beginning, every movement, what there is at the end, and which lots expire next. A period that is over always has the same statement"
  ),
  Command.withShortDescription("A user's statement: opening, movements, closing"),
  Command.withExamples([
    { command: "credit-cli user statement ann", description: "This month so far" },
    { command: "credit-cli user statement ann --month 2026-01", description: "A month, for good" },
    {
      command: "credit-cli user statement ann --from 2026-01-01 --to 2026-04-01 --json",
      description: "A quarter, for a script"
    }
  ])
)
