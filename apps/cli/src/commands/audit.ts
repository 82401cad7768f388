import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { maybe, present } from "../flags/Checked.ts"
import { instantFlag, pageFlags } from "../flags/Common.ts"
import { table } from "../output/Table.ts"
import { instant } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { tellPage } from "./shared.ts"

const list = Command.make(
  "list",
  {
    from: maybe(instantFlag("from", "From then on")),
    to: maybe(instantFlag("to", "Before then")),
    ...pageFlags
  },
  Effect.fn("cli.audit.list")(function* ({ cursor, from, limit, to }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.listAuditLog({ limit, ...present({ cursor, from, to }) }, options)
    )
    yield* tellPage(
      page,
      table(
        [
          { title: "when", value: ({ at }) => instant(at) },
          { title: "who", value: ({ actor }) => actor, shrink: true },
          { title: "as", value: ({ role }) => role },
          { title: "command", value: ({ command }) => command, shrink: true },
          { title: "outcome", value: ({ outcome }) => outcome, shrink: true },
          { title: "key", value: ({ idempotencyKey }) => idempotencyKey, shrink: true, tail: true }
        ],
        page.records,
        "Nothing"
      )
    )
  })
).pipe(
  Command.withDescription("What the merchant's staff and operators had decided, refusals included, newest first"),
  Command.withExamples([
    { command: "credit-cli audit list --from 24h", description: "The last day" },
    { command: "credit-cli audit list --limit 500 --json", description: "For a script" }
  ])
)

export const audit = Command.make("audit").pipe(
  Command.withDescription("Who did what"),
  Command.withSubcommands([list])
)
