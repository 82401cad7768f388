import * as Command from "effect/cli/Command"
import { balance } from "./balance.ts"
import { find } from "./find.ts"
import { history } from "./history.ts"
import { lots } from "./lots.ts"
import { purchases } from "./purchases.ts"
import { show } from "./show.ts"
import { statement } from "./statement.ts"
import { timeline } from "./timeline.ts"
import { usage } from "./usage.ts"

export const user = Command.make("user").pipe(
  Command.withDescription("What users have, and what became of it"),
  Command.withSubcommands([balance, show, history, statement, timeline, lots, purchases, usage, find])
)
