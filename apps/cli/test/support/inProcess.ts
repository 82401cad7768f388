import { run } from "@credit/cli/run"
import * as Effect from "effect/Effect"
import type { Ended } from "./Cli.ts"

/** Runs a command line within this process. */
export const inProcess = async (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>> = { HOME: "/nonexistent" },
  columns?: number
): Promise<Ended> => {
  const said = { stdout: "", stderr: "" }
  const sink = (name: "stdout" | "stderr") => ({
    write: (text: string) => {
      said[name] += text
    },
    ...(columns === undefined ? {} : { columns, isTTY: true })
  })
  const code = await Effect.runPromise(run(args, { stdout: sink("stdout"), stderr: sink("stderr") }, environment))
  return { code, ...said }
}
