import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import {
  canBeNobody,
  cleanUp,
  copyOfPackage,
  directoryOf,
  expectGone,
  freshDirectory,
  type Holder,
  hold,
  isRoot,
  NOBODY,
  preparedHome,
  query,
  removePreparedHome
} from "./Holder.ts"

const port = 25_560

afterEach(cleanUp)
afterAll(removePreparedHome)

/** A clone below root's own closed directory: neither the binaries nor the home in it can be reached by anybody else. */
const closedClone = () => {
  const closed = freshDirectory(0o700)
  const packageDirectory = copyOfPackage(join(closed, "clone", "node_modules"))
  const home = join(closed, "clone", ".credit")
  const systemDirectory = join(freshDirectory(), "system")
  return { closed, home, systemDirectory, options: { home, port, packageDirectory, systemDirectory } }
}

const places = (systemDirectory: string) => readdirSync(systemDirectory).filter((name) => name !== "binaries")

const endedWith = async (holder: Holder) => {
  const said = await holder.said
  expect(said.message).toBeUndefined()
  await holder.end("SIGTERM")
  return said
}

describe.runIf(isRoot)("as root, whom PostgreSQL does not serve,", { timeout: 60_000 }, () => {
  it("it runs under an account without rights, its data in the home if that can reach them", async () => {
    const home = join(freshDirectory(), "home")
    const { dataDirectory, url } = await hold({ home, port }).said
    expect(dataDirectory).toBe(join(home, "postgres"))
    expect(statSync(dataDirectory).uid).not.toBe(0)
    const [row] = await query(url, "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int AS pid")
    expect(readFileSync(`/proc/${row?.pid}/status`, "utf8")).toMatch(
      new RegExp(`^Uid:\\t${statSync(dataDirectory).uid}\\t`, "m")
    )
    expect(readFileSync(`/proc/${row?.pid}/environ`, "utf8")).not.toContain("HOME=")
  })

  it("a clone below a directory closed to everybody else works, and finds its data again", async () => {
    const { closed, home, options, systemDirectory } = closedClone()
    const first = hold(options)
    const { dataDirectory, message, url } = await first.said
    expect(message).toBeUndefined()
    expect(dataDirectory.startsWith(systemDirectory)).toBe(true)
    expect(statSync(dataDirectory).mode & 0o777).toBe(0o700)
    await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await first.end("SIGTERM")
    const second = await hold(options).said
    expect(second).toMatchObject({ dataDirectory, url, reused: false })
    expect(await query(url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
    expect(statSync(closed).mode & 0o777, "no right was loosened").toBe(0o700)
    expect(JSON.parse(readFileSync(join(home, "postgres.json"), "utf8"))).toMatchObject({ dataDirectory })
    expect(await hold(options).said).toMatchObject({ reused: true })
  })

  it("without its home it starts empty, says what was left behind, and does not let that pile up", async () => {
    const { home, options, systemDirectory } = closedClone()
    const { dataDirectory } = await endedWith(hold(options))
    rmSync(home, { recursive: true })

    const second = hold(options)
    const { dataDirectory: fresh, url } = await second.said
    expect(fresh).not.toBe(dataDirectory)
    expect(await query(url, "SELECT to_regclass('kept')::text AS name")).toEqual([{ name: null }])
    expect(second.log()).toContain(`if nobody needs them: rm -r ${join(dataDirectory, "..")}`)
    await second.end("SIGTERM")
    expect(places(systemDirectory)).toHaveLength(2)
    rmSync(home, { recursive: true })

    const third = hold(options)
    await endedWith(third)
    expect(third.log()).toContain(`Removed ${join(dataDirectory, "..")}`)
    expect(places(systemDirectory)).toHaveLength(2)
  })

  it("a home that was moved keeps its data, a copy of it does not share them", async () => {
    const { closed, home, options } = closedClone()
    const { dataDirectory } = await endedWith(hold(options))
    const copy = join(closed, "copy")
    execFileSync("cp", ["-a", home, copy])
    expect(await hold({ ...options, home: copy }).said).toMatchObject({
      error: "HomeUnusable",
      message: expect.stringContaining(`it is a copy of ${home}`)
    })
    const moved = join(closed, "moved")
    renameSync(home, moved)
    expect(await endedWith(hold({ ...options, home: moved }))).toMatchObject({ dataDirectory })
    expect(await hold({ ...options, home: moved }).said).toMatchObject({ dataDirectory })
  })

  it.runIf(canBeNobody)("it serves the data of another account as that account", async () => {
    const home = join(directoryOf(NOBODY), "home")
    await endedWith(hold({ home, port }, NOBODY))
    const { url } = await endedWith(hold({ home }))
    expect(statSync(join(home, "postgres")).uid).toBe(NOBODY)
    expect(await endedWith(hold({ home }, NOBODY))).toMatchObject({ url })
  })

  it.runIf(canBeNobody)("a home that belongs to root is refused to another account with the reason", async () => {
    const home = await preparedHome(port)
    const { error, message } = await hold({ home }, NOBODY).said
    expect(error).toBe("HomeUnusable")
    expect(message).toContain("EACCES")
  })
})

describe.runIf(canBeNobody)("as an account without rights", { timeout: 60_000 }, () => {
  it("everything is in the home, which is closed to others", async () => {
    const home = join(directoryOf(NOBODY), "home")
    const holder = hold({ home, port }, NOBODY)
    const { dataDirectory, url } = await holder.said
    expect(dataDirectory).toBe(join(home, "postgres"))
    expect(statSync(home).mode & 0o777).toBe(0o700)
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    await holder.end("SIGKILL")
    await expectGone(home)
    await endedWith(hold({ home }, NOBODY))
  })

  it("a home that cannot be made is refused with the reason", async () => {
    const closed = freshDirectory(0o755)
    mkdirSync(join(closed, "of root"))
    const { error, message } = await hold({ home: join(closed, "of root", "home"), port }, NOBODY).said
    expect(error).toBe("HomeUnusable")
    expect(message).toContain("permission denied")
  })
})

describe("accounts", () => {
  it("are tested as root, as continuous integration is", ({ skip }) => {
    if (canBeNobody) return
    const need = "the suites about accounts need root, and a checkout that other accounts can reach"
    expect(process.env.REQUIRE_ALL_SUITES, need).not.toBe("1")
    skip(`${need}; some have not run`)
  })
})
