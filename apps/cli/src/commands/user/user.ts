import * as Command from "effect/cli/Command"
import { balance } from "./balance.ts"
import { history } from "./history.ts"
import { lots } from "./lots.ts"

export const user = Command.make("user").pipe(
  Command.withDescription("What users have, and what became of it"),
  Command.withSubcommands([balance, history, lots])
)
