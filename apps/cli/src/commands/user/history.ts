import { Reason } from "@credit/domain/Reason"
import type { DueExpiry } from "@credit/rpc/Accounts"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, repeated } from "../../flags/Checked.ts"
import { instantFlag, pageFlags, userArgument } from "../../flags/Common.ts"
import { type Block, heading, stack } from "../../output/Block.ts"
import { table } from "../../output/Table.ts"
import { instant, movement } from "../../output/Words.ts"
import { Service } from "../../Service.ts"
import { entryColumns } from "../accounts.ts"
import { tellPage } from "../shared.ts"

/** Expiries that have become true, and are booked with the account's next command. */
export const dueTable = (due: ReadonlyArray<typeof DueExpiry.Encoded>): Block =>
  stack(
    heading("Due, and booked with the next command"),
    table(
      [
        { title: "when", value: ({ effectiveAt }) => instant(effectiveAt) },
        { title: "amount", value: ({ amount }) => movement(amount), right: true },
        { title: "lot", value: ({ lotId }) => lotId, shrink: true, tail: true }
      ],
      due,
      ""
    )
  )

const reasons = repeated(
  Flag.Literals("reason", Reason.literals).pipe(
    Flag.withMetavar("reason"),
    Flag.withDescription("Only entries with this reason; may be given several times")
  )
)

export const history = Command.make(
  "history",
  {
    user: userArgument,
    from: maybe(instantFlag("from", "Entries from then on")),
    to: maybe(instantFlag("to", "Entries before then")),
    reasons,
    ...pageFlags
  },
  Effect.fn("cli.user.history")(function* ({ cursor, from, limit, reasons, to, user }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.getLedgerHistory(
        { userId: user, limit, ...present({ cursor, from, to, reasons: reasons.length === 0 ? undefined : reasons }) },
        options
      )
    )
    yield* tellPage(
      page,
      stack(table(entryColumns, page.entries, "No entries"), page.due.length === 0 ? undefined : dueTable(page.due))
    )
  })
).pipe(
  Command.withDescription("A user's ledger entries, newest first"),
  Command.withExamples([
    { command: "credit-cli user history ann", description: "The newest 50" },
    { command: "credit-cli user history ann --from 7d --reason debit", description: "What work has cost in a week" },
    {
      command: "credit-cli user history ann --from 2026-01-01 --to 2026-02-01 --limit 500 --json",
      description: "January, for a script"
    }
  ])
)
