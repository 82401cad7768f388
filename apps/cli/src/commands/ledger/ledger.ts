import * as Command from "effect/cli/Command"
import { exportLedger } from "./export.ts"
import { verify } from "./verify.ts"

export const ledger = Command.make("ledger").pipe(
  Command.withDescription("All entries of a merchant"),
  Command.withSubcommands([verify, exportLedger])
)
