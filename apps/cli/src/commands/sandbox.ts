import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { wholeFlag } from "../flags/Checked.ts"
import { confirm, destructiveFlags } from "../flags/Write.ts"
import { count, instant } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { tellWritten } from "./shared.ts"

const advance = Command.make(
  "advance",
  {
    hours: wholeFlag("hours", 1, 876_000).pipe(Flag.withDescription("Forward by so many hours")),
    ...destructiveFlags
  },
  Effect.fn("cli.sandbox.advance")(function* ({ hours, yes, ...write }) {
    yield* confirm({ ...write, yes }, `Move the sandbox's clock ${count(hours, "hour")} ahead? It never goes back`)
    const service = yield* Service
    const written = yield* service.command(write, (client, options) => client.sandbox.advanceClock({ hours }, options))
    yield* tellWritten(written, `It is now ${instant(written.answer.now)}`)
  })
).pipe(
  Command.withDescription("Move the clock of a sandbox merchant forward, for all its users: lots expire, months go by"),
  Command.withExamples([{ command: "credit-cli sandbox advance --hours 720 --yes", description: "Thirty days later" }])
)

export const sandbox = Command.make("sandbox").pipe(
  Command.withDescription("Merchants whose time can be moved"),
  Command.withSubcommands([advance])
)
