import { constants, readFileSync, readlinkSync } from "node:fs"
import { open, readFile, rm } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import { runCommand } from "./Command.ts"
import { attempt, undefinedIfMissing } from "./Home.ts"

/** What `postmaster.pid`, the file a running PostgreSQL keeps in its data directory, and the machine say together. */
export type PostmasterState =
  | { readonly _tag: "Absent" }
  /** The file was left by a server that no longer runs. */
  | { readonly _tag: "Stale" }
  | { readonly _tag: "Running"; readonly pid: number; readonly port: number; readonly ready: boolean }

/** No system gives out this pid. */
const NO_PID = 2_147_483_646

const file = (dataDirectory: string) => join(dataDirectory, "postmaster.pid")

const read = (dataDirectory: string) =>
  attempt(dataDirectory, () => readFile(file(dataDirectory), "utf8").catch(undefinedIfMissing))

export const postmasterState = Effect.fnUntraced(function* (dataDirectory: string) {
  const text = yield* read(dataDirectory)
  if (text === undefined) return { _tag: "Absent" } satisfies PostmasterState as PostmasterState
  const lines = text.split("\n")
  const pid = Number(lines[0])
  const running = Number.isInteger(pid) && pid > 0 && pid !== NO_PID && (yield* isPostmaster(pid, dataDirectory))
  if (!running) return { _tag: "Stale" } satisfies PostmasterState as PostmasterState
  return {
    _tag: "Running",
    pid,
    port: Number(lines[3]),
    ready: lines[7]?.trim() === "ready"
  } satisfies PostmasterState as PostmasterState
})

/**
 * Makes a stale file harmless. PostgreSQL itself only asks whether *a* process has the pid, and would refuse to start beside
 * whatever process has it by now, a zombie included. The file stays, with a pid nobody has: from its shared memory key
 * PostgreSQL still learns whether backends of the dead server live, and waits for no one's data to be written twice.
 */
export const disarm = Effect.fnUntraced(function* (dataDirectory: string) {
  const text = yield* read(dataDirectory)
  if (text === undefined) return
  const lines = text.split("\n")
  // A power cut can leave the file empty, which PostgreSQL takes for a server just starting.
  if (lines.length <= 6) return yield* attempt(dataDirectory, () => rm(file(dataDirectory), { force: true }))
  yield* attempt(dataDirectory, async () => {
    // The directory is the account's: root must not follow a link it finds there.
    const handle = await open(file(dataDirectory), constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
    try {
      await handle.writeFile(`${[NO_PID, ...lines.slice(1, 7)].join("\n")}\n`)
    } finally {
      await handle.close()
    }
  })
})

/** Whether the process is the PostgreSQL of this very data directory, not another that was given its pid later. */
const isPostmaster = Effect.fnUntraced(function* (pid: number, dataDirectory: string) {
  if (process.platform === "linux") return isPostmasterByProc(pid, dataDirectory)
  const { status, output } = yield* runCommand("ps", ["-ww", "-o", "command=", "-p", String(pid)], {})
  return status === 0 && output.includes("postgres") && output.includes(dataDirectory)
})

const isPostmasterByProc = (pid: number, dataDirectory: string): boolean => {
  const state = readProc(`/proc/${pid}/stat`)
  // The name in parentheses may hold anything, even parentheses; Z is a zombie, X a dead process.
  if (state === undefined || /^[ZX]/.test(state.slice(state.lastIndexOf(")") + 2))) return false
  // A server that was started by hand may have been given its directory by a relative name.
  if (link(`/proc/${pid}/cwd`) === dataDirectory) return true
  const args = readProc(`/proc/${pid}/cmdline`)?.split("\0") ?? []
  return basename(args[0] ?? "") === "postgres" && args.includes(dataDirectory)
}

// A process may end, or be closed to us, at any moment: then it is not the server we look for.
const readProc = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const link = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
