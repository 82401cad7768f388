import * as Context from "effect/Context"

/** The environment's variables. */
export const Environment = Context.Reference<Readonly<Record<string, string | undefined>>>("@credit/cli/Environment", {
  defaultValue: () => process.env
})
