import { resolve } from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"

/** Where the embedded service keeps everything: `CREDIT_HOME`, `.credit` in the current directory unless set. */
export const homeDirectory = Effect.map(Config.String("CREDIT_HOME").pipe(Config.withDefault(".credit")), (home) =>
  resolve(home)
)
