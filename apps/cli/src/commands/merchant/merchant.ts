import * as Command from "effect/cli/Command"
import { configure } from "./configure.ts"

export const merchant = Command.make("merchant").pipe(
  Command.withDescription("Tenants and their settings"),
  Command.withSubcommands([configure])
)
