import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import {
  cleanUp,
  eventually,
  expectGone,
  freshDirectory,
  hold,
  preparedHome,
  processesNaming,
  query,
  removePreparedHome,
  sleepingSession
} from "./Holder.ts"

const port = 25_480

afterEach(cleanUp)
afterAll(removePreparedHome)

const serverLog = (home: string) => readFileSync(join(home, "postgres.log"), "utf8")
const cleanEnds = (home: string) => serverLog(home).match(/database system is shut down$/gm)?.length ?? 0

describe("when the process that holds it ends, PostgreSQL ends too:", { timeout: 60_000 }, () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`cleanly and before it, on ${signal}`, async () => {
      const home = await preparedHome(port)
      const holder = hold({ home })
      await holder.said
      const before = cleanEnds(home)
      await holder.end(signal)
      expect(processesNaming(home)).toEqual([])
      expect(cleanEnds(home)).toBe(before + 1)
    })
  }

  it("on Ctrl-C, which reaches every process of the terminal, not before its holder has drained", async () => {
    const home = await preparedHome(port)
    const holder = hold({ home }, undefined, true)
    await holder.said
    process.kill(-Number(holder.process.pid), "SIGINT")
    await holder.ended
    expect(holder.log()).toContain("Drained")
    expect(holder.log()).toContain("The embedded PostgreSQL has ended")
    expect(holder.log()).not.toContain("ended by itself")
    expect(processesNaming(home)).toEqual([])
  })

  it("even with transactions open, which are rolled back", async () => {
    const home = await preparedHome(port)
    const holder = hold({ home })
    const { url } = await holder.said
    const open = query(url, "DO $$ BEGIN CREATE TABLE never (id int); PERFORM pg_sleep(60); END $$").catch(
      () => "cut off"
    )
    await sleepingSession(url)
    await holder.end("SIGTERM")
    expect(await open).toBe("cut off")
    expect(processesNaming(home)).toEqual([])
    const again = await hold({ home }).said
    expect(await query(again.url, "SELECT to_regclass('never')::text AS name")).toEqual([{ name: null }])
  })

  it("at once where a session does not let it end in 10 seconds", async () => {
    const home = await preparedHome(port)
    const holder = hold({ home })
    const { url } = await holder.said
    await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    const stuck = query(url, "SELECT pg_sleep(600)").catch(() => "cut off")
    process.kill(await sleepingSession(url), "SIGSTOP")
    await holder.end("SIGTERM")
    expect(await stuck).toBe("cut off")
    expect(holder.log()).toContain("The embedded PostgreSQL has ended")
    expect(processesNaming(home)).toEqual([])
    const { url: again } = await hold({ home }).said
    expect(await query(again, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
  })

  it("even if its home was removed under it, and the home can be used anew meanwhile", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { url } = await first.said
    rmSync(home, { recursive: true, maxRetries: 5 })
    const second = await hold({ home, port }).said
    expect(second).toMatchObject({ reused: false })
    expect(second.url).not.toBe(url)
    await first.end("SIGTERM")
    expect(await query(second.url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    expect(processesNaming(`-p ${new URL(url).port} `)).toEqual([])
  })

  it("soon after, when it is killed with SIGKILL", async () => {
    const home = await preparedHome(port)
    const holder = hold({ home })
    await holder.said
    const before = cleanEnds(home)
    await holder.end("SIGKILL")
    await expectGone(home)
    expect(cleanEnds(home)).toBe(before + 1)
  })

  it("also when it is killed while PostgreSQL is still starting", async () => {
    const home = await preparedHome(port)
    const holder = hold({ home })
    await eventually("the guard is there", () => processesNaming(home).length > 0)
    await holder.end("SIGKILL")
    await expectGone(home)
  })

  it("also when it is told to end in the middle of its first start", async () => {
    const home = join(freshDirectory(), "home")
    const holder = hold({ home, port })
    await eventually("initdb is at work", () => processesNaming(home).length > 0)
    await holder.end("SIGINT")
    await expectGone(home)
    expect(await hold({ home, port }).said).toMatchObject({ reused: false })
  })

  it("and a start that races with the dying server waits for it and has the data", async () => {
    const home = await preparedHome(port)
    let holder = hold({ home })
    const { url } = await holder.said
    await query(url, "CREATE TABLE kept (id int)")
    for (let round = 1; round <= 3; round++) {
      const { url } = await holder.said
      await query(url, `INSERT INTO kept VALUES (${round})`)
      // Both at once: the next start comes up while the killed one's server is ending.
      const killed = holder
      holder = hold({ home })
      await killed.end("SIGKILL")
      const next = await holder.said
      expect(next.message).toBeUndefined()
      expect(await query(next.url, "SELECT count(*)::int AS rows FROM kept")).toEqual([{ rows: round }])
    }
  })
})
