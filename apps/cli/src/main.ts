import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { run } from "./run.ts"

// Whoever reads has gone, as `head` does: that is no failure of ours, and there is nobody to tell.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit(128 + 13)
})

run(process.argv.slice(2), process, process.env).pipe(
  Effect.flatMap((code) =>
    Effect.sync(() => {
      process.exitCode = code
    })
  ),
  (main) => NodeRuntime.runMain(main, { disableErrorReporting: true })
)
