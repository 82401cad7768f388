import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { cleanUp, expectGone, hold, preparedHome, query, removePreparedHome } from "./Holder.ts"

const port = 25_460

afterEach(cleanUp)
afterAll(removePreparedHome)

const postmaster = (home: string) =>
  Number(readFileSync(join(home, "postgres", "postmaster.pid"), "utf8").split("\n")[0])

describe("a home whose PostgreSQL is in use", { timeout: 60_000 }, () => {
  it("is joined by the next process, which leaves it running when it ends", async () => {
    const home = await preparedHome(port)
    const first = await hold({ home }).said
    const pid = postmaster(home)
    const second = hold({ home })
    expect(await second.said).toMatchObject({ reused: true, url: first.url, dataDirectory: first.dataDirectory })
    await second.end("SIGTERM")
    expect(second.log()).toContain("Another process uses the embedded PostgreSQL: it keeps running")
    expect(postmaster(home)).toBe(pid)
    expect(await query(first.url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
  })

  it("outlives the process that started it, until the last user ends", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { url } = await first.said
    const second = hold({ home })
    await second.said
    await first.end("SIGTERM")
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    await second.end("SIGTERM")
    expect(second.log()).toContain("The embedded PostgreSQL has ended")
    await expectGone(home)
  })

  it("outlives even the SIGKILL of the process that started it", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { url } = await first.said
    const second = hold({ home })
    await second.said
    await first.end("SIGKILL")
    const third = hold({ home })
    expect(await third.said).toMatchObject({ reused: true, url })
    await second.end("SIGKILL")
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    await third.end("SIGKILL")
    await expectGone(home)
  })

  it("is joined or started, never lost, by processes that come and go at once", async () => {
    const home = await preparedHome(port)
    const visit = async () => {
      const holder = hold({ home })
      const { message, url } = await holder.said
      expect(message).toBeUndefined()
      expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
      await holder.end("SIGTERM")
    }
    for (let round = 0; round < 3; round++) await Promise.all([visit(), visit(), visit()])
    await expectGone(home)
  })
})
