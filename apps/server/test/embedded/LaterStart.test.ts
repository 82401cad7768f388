import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { chownSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import {
  cleanUp,
  eventually,
  expectGone,
  freshDirectory,
  hold,
  occupy,
  preparedHome,
  query,
  removePreparedHome
} from "./Holder.ts"

const port = 25_500
const strangers: Array<ChildProcess> = []

afterEach(async () => {
  for (const stranger of strangers.splice(0)) stranger.kill("SIGKILL")
  await cleanUp()
})
afterAll(removePreparedHome)

const pidFile = (home: string) => join(home, "postgres", "postmaster.pid")
const postmaster = (home: string) => Number(readFileSync(pidFile(home), "utf8").split("\n")[0])

/** A process of the account that owns the data; PostgreSQL would take its pid for that of a server. */
const processOfOwner = (home: string, command: string): ChildProcess => {
  const { gid, uid } = statSync(join(home, "postgres"))
  const account = process.getuid?.() === 0 ? { uid, gid } : {}
  const child = spawn("/bin/sh", ["-c", command], { cwd: "/", stdio: ["ignore", "pipe", "ignore"], ...account })
  strangers.push(child)
  return child
}

const writePidFile = (home: string, text: string) => {
  const { gid, uid } = statSync(join(home, "postgres"))
  writeFileSync(pidFile(home), text, { mode: 0o600 })
  chownSync(pidFile(home), uid, gid)
}

const pidFileOf = (pid: number, home: string) =>
  `${pid}\n${join(home, "postgres")}\n1700000000\n${port}\n\n127.0.0.1\n  1234567    1234\nready   \n`

describe("a later start", { timeout: 60_000 }, () => {
  it("has the data, the password and the port of the earlier one", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { url } = await first.said
    await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await first.end("SIGTERM")
    const second = await hold({ home }).said
    expect(second).toMatchObject({ reused: false, url })
    expect(await query(url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
  })

  it("follows a home that was moved, and a copy of it goes its own way", async () => {
    const home = await preparedHome(port)
    const moved = join(freshDirectory(), "elsewhere")
    renameSync(home, moved)
    const original = hold({ home: moved })
    expect(await original.said).toMatchObject({ dataDirectory: join(moved, "postgres") })
    await original.end("SIGTERM")
    const copy = join(freshDirectory(), "copy")
    execFileSync("cp", ["-a", moved, copy])
    const both = await Promise.all([hold({ home: moved }).said, hold({ home: copy }).said])
    expect(both.map(({ reused }) => reused)).toEqual([false, false])
    expect(both[0]?.dataDirectory).not.toBe(both[1]?.dataDirectory)
  })

  it("recovers after PostgreSQL was killed, and its holder says that it was", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { url } = await first.said
    await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill(postmaster(home), "SIGKILL")
    await eventually("the holder reports it", () => first.log().includes("ended by itself (status 137)"))
    // The first holder still runs: its home is free for another server all the same.
    const second = hold({ home })
    expect(await second.said).toMatchObject({ reused: false, url })
    expect(await query(url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
    // Nor does it count as a user of the new one.
    await second.end("SIGTERM")
    expect(second.log()).toContain("The embedded PostgreSQL has ended")
    const third = await hold({ home }).said
    await first.end("SIGTERM")
    expect(await query(third.url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
  })

  it("recovers after everything was killed at once, as by a power cut", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { url } = await first.said
    await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill(postmaster(home), "SIGKILL")
    await first.end("SIGKILL")
    await expectGone(home)
    expect(existsSync(pidFile(home))).toBe(true)
    const second = await hold({ home }).said
    expect(await query(second.url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
  })

  it("is not held up by a postmaster.pid whose pid belongs to another program by now", async () => {
    const home = await preparedHome(port)
    const other = processOfOwner(home, "exec sleep 600")
    writePidFile(home, pidFileOf(Number(other.pid), home))
    const { message, reused } = await hold({ home }).said
    expect(message).toBeUndefined()
    expect(reused).toBe(false)
    expect(postmaster(home)).not.toBe(other.pid)
    expect(other.exitCode, "the other program still runs").toBeNull()
  })

  it.runIf(process.platform === "linux")("is not held up by the zombie of a killed server", async () => {
    const home = await preparedHome(port)
    // The shell becomes a program that never asks after its children.
    const parent = processOfOwner(home, "sleep 0 & echo $!; exec sleep 600")
    const pid = await new Promise<number>((resolve) =>
      parent.stdout?.on("data", (data: Buffer) => resolve(Number(data)))
    )
    await eventually("it is a zombie", () => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")))
    writePidFile(home, pidFileOf(pid, home))
    expect(await hold({ home }).said).toMatchObject({ reused: false })
  })

  it("is not held up by a postmaster.pid that a power cut left empty", async () => {
    const home = await preparedHome(port)
    writePidFile(home, "")
    expect(await hold({ home }).said).toMatchObject({ reused: false })
  })

  it("puts a log aside that has grown large, and keeps one such", async () => {
    const home = await preparedHome(port)
    writeFileSync(join(home, "postgres.log"), Buffer.alloc(11 * 1024 * 1024, "x"))
    await hold({ home }).said
    expect(statSync(join(home, "postgres.log.1")).size).toBe(11 * 1024 * 1024)
    expect(statSync(join(home, "postgres.log")).size).toBeLessThan(10_000)
  })

  it("takes another port below 32768 if its own is busy, and keeps that", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { port: own } = await first.said
    await first.end("SIGTERM")
    const free = await occupy(own)
    const second = hold({ home })
    const { port: other, url } = await second.said
    expect(other).not.toBe(own)
    expect(other).toBeLessThan(32_768)
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    await second.end("SIGTERM")
    await free()
    expect(await hold({ home }).said).toMatchObject({ port: other })
  })
})

describe("a home that is not as it was left is refused with what to do:", { timeout: 60_000 }, () => {
  it("data without their password", async () => {
    const home = await preparedHome(port)
    rmSync(join(home, "postgres.json"))
    const { error, message } = await hold({ home }).said
    expect(error).toBe("HomeUnusable")
    expect(message).toContain(`postgres.json, with their password, is missing: restore it, or remove ${home}`)
  })

  it("a password without its data", async () => {
    const home = await preparedHome(port)
    rmSync(join(home, "postgres"), { recursive: true })
    const { error, message } = await hold({ home }).said
    expect(error).toBe("HomeUnusable")
    expect(message).toContain(`are gone: restore them, or remove ${home} to start empty`)
  })

  it("a record that cannot be read", async () => {
    const home = await preparedHome(port)
    writeFileSync(join(home, "postgres.json"), '{"dataDirectory":')
    expect(await hold({ home }).said).toMatchObject({
      error: "HomeUnusable",
      message: expect.stringContaining("damaged")
    })
  })

  it("a password that was changed by hand", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    await query((await first.said).url, "ALTER ROLE postgres PASSWORD 'another'")
    await first.end("SIGTERM")
    const { error, message } = await hold({ home }).said
    expect(error).toBe("ServerUnusable")
    expect(message).toContain("password authentication failed")
    await expectGone(home)
  })

  it("data that PostgreSQL cannot read", async () => {
    const home = await preparedHome(port)
    writeFileSync(join(home, "postgres", "PG_VERSION"), "9.6\n")
    const { error, message } = await hold({ home }).said
    expect(error).toBe("ServerUnusable")
    expect(message).toContain("database files are incompatible with server")
    expect(message).toContain("postgres.log")
  })

  it("a file in the place of the home", async () => {
    const file = join(freshDirectory(), "home")
    writeFileSync(file, "")
    expect(await hold({ home: file }).said).toMatchObject({ error: "HomeUnusable" })
  })
})
