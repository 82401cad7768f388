import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import { words } from "./Home.ts"
import type { ServerAccount } from "./ServerAccount.ts"

/** How a command ended, and all it said. */
export interface CommandResult {
  /** The exit status; 127, as in a shell, if the command could not be started, and 128 if a signal ended it. */
  readonly status: number
  readonly output: string
}

/**
 * The environment of PostgreSQL's programs: nothing of ours, whose secrets the server's account could read there, and no
 * `PG…` variable that would change what they do. Their messages are English, because some are looked for.
 */
export const environment = (): NodeJS.ProcessEnv => {
  const { PATH, LD_LIBRARY_PATH } = process.env
  return { PATH: PATH ?? "/usr/bin:/bin", LC_ALL: "C", ...(LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH }) }
}

/** Runs a program to its end, under `account` where one is given, with `input` on its standard input. */
export const runCommand = (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly account?: ServerAccount | undefined; readonly input?: string }
): Effect.Effect<CommandResult> =>
  Effect.callback((resume) => {
    const child = spawnOrSay(program, args, options.account)
    if (typeof child === "string") return resume(Effect.succeed({ status: 127, output: child }))
    let output = ""
    const collect = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on("data", collect)
    child.stderr.on("data", collect)
    // A program that ends before it has read its input says why by its status.
    child.stdin.on("error", () => undefined)
    child.on("error", (cause) => resume(Effect.succeed({ status: 127, output: cause.message })))
    child.on("close", (code) => resume(Effect.succeed({ status: code ?? 128, output: output.trim() })))
    child.stdin.end(options.input ?? "")
    return Effect.sync(() => endGroup(child.pid))
  })

const endGroup = (pid: number | undefined) => {
  if (pid === undefined) return
  try {
    process.kill(-pid, "SIGTERM")
  } catch {
    // Its last process has ended meanwhile: that is all that was wanted.
  }
}

/** Some failures node throws, others it reports as an event: a missing right to change the uid is thrown. */
const spawnOrSay = (program: string, args: ReadonlyArray<string>, account: ServerAccount | undefined) => {
  try {
    return spawn(program, args, {
      // The current directory may be closed to the account.
      cwd: "/",
      // A process group, so that an interruption reaches what the program has started in turn.
      detached: true,
      env: environment(),
      ...identity(account),
      stdio: ["pipe", "pipe", "pipe"]
    })
  } catch (cause) {
    return words(cause)
  }
}

/** Node drops all supplementary groups along with the uid. */
export const identity = (account: ServerAccount | undefined): { uid?: number; gid?: number } =>
  account === undefined ? {} : { uid: account.uid, gid: account.gid }
