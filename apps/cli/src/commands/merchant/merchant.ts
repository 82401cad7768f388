import * as Command from "effect/cli/Command"
import { configure } from "./configure.ts"
import { onboard } from "./onboard.ts"
import { status } from "./status.ts"

export const merchant = Command.make("merchant").pipe(
  Command.withDescription("Tenants and their settings"),
  Command.withSubcommands([onboard, status, configure])
)
