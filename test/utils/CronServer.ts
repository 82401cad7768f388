import { execFile } from "node:child_process"
import { chown, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { aptGet, hasApt, isThere, type Missing, reasonOf } from "./debianPackages.ts"
import { freePort } from "./freePort.ts"

const run = promisify(execFile)

const BIN = "/usr/lib/postgresql/15/bin"
const LIBRARY = "/usr/lib/postgresql/15/lib/pg_cron.so"

/** A PostgreSQL 15 with pg_cron, whose jobs are in the database `postgres`. */
export interface CronServer {
  /** An administrator's URL to the database `postgres`. */
  readonly adminUrl: string
  /** Stops it as a crash would, and starts it again. */
  crash(): Promise<void>
  stop(): Promise<void>
}

/**
 * A private cluster of Debian's PostgreSQL 15 with pg_cron. Where the package is missing, and this is root's machine, it is
 * installed: `apt-get update && apt-get install -y postgresql-15-cron`.
 */
export const startCronServer = async (): Promise<CronServer | Missing> => {
  const problem = await install()
  if (problem !== undefined) return { missing: problem }
  const account = await postgresAccount()
  const home = await mkdtemp(join(tmpdir(), "credit-cron-"))
  if (account !== undefined) await chown(home, account.uid, account.gid)
  const data = join(home, "data")
  const port = await freePort()
  const pgCtl = (...parameters: ReadonlyArray<string>) =>
    run(join(BIN, "pg_ctl"), ["-D", data, "-l", join(home, "log"), "-w", ...parameters], { cwd: home, ...account })
  // libpq mode by the socket: jobs run in parallel and need no password. Its data need no durability.
  const settings =
    `-p ${port} -k '${home}' -c listen_addresses=127.0.0.1 -c shared_preload_libraries=pg_cron ` +
    `-c cron.database_name=postgres -c cron.host='${home}' -c timezone=Pacific/Chatham -c max_connections=100 ` +
    "-c fsync=off -c full_page_writes=off"
  const start = () => pgCtl("-o", settings, "start")
  await run(
    join(BIN, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    {
      cwd: home,
      ...account
    }
  )
  await start()
  return {
    adminUrl: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    crash: async () => {
      await pgCtl("-m", "immediate", "stop")
      await start()
    },
    stop: async () => {
      await pgCtl("-m", "immediate", "stop")
      await rm(home, { recursive: true, force: true })
    }
  }
}

const install = async (): Promise<string | undefined> => {
  if (await isThere(LIBRARY)) return undefined
  const advice = "it needs pg_cron: apt-get update && apt-get install -y postgresql-15-cron"
  if (!(await hasApt())) return advice
  process.stderr.write("Installing pg_cron for the tests: apt-get install -y postgresql-15-cron\n")
  try {
    await aptGet({}, "update")
    await aptGet({}, "install", "-y", "--no-install-recommends", "postgresql-15-cron")
  } catch (error) {
    return `${advice} (which failed: ${reasonOf(error)})`
  }
  return (await isThere(LIBRARY)) ? undefined : advice
}

/** Root must not run PostgreSQL; the package has made the user that may. */
const postgresAccount = async () => {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number((await run("id", [flag, "postgres"])).stdout))
  )
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}
