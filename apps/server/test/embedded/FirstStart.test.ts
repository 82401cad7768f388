import { existsSync, readdirSync, statSync } from "node:fs"
import { connect } from "node:net"
import { networkInterfaces } from "node:os"
import { join } from "node:path"
import { EmbeddedPostgres } from "@credit/server/embedded/EmbeddedPostgres"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { afterEach, describe, expect, it } from "vitest"
import { cleanUp, eventually, expectGone, freshDirectory, hold, query } from "./Holder.ts"

const port = 25_440

afterEach(cleanUp)

describe("the first start on an empty home", () => {
  it("makes a durable PostgreSQL 18 that knows UTF-8 and checksums its data", { timeout: 30_000 }, async () => {
    const holder = hold({ home: join(freshDirectory(), "home"), port })
    const { message, reused, url } = await holder.said
    expect(message).toBeUndefined()
    expect(reused).toBe(false)
    const [row] = await query(
      url,
      `SELECT current_setting('server_version_num')::int / 10000 AS major,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
              current_setting('full_page_writes') AS full_page_writes, current_setting('data_checksums') AS data_checksums,
              current_setting('server_encoding') AS encoding, current_setting('max_connections')::int AS max_connections,
              current_setting('timezone') AS timezone, upper('ä') AS upper, 'Z' < 'a' AS by_code_point`
    )
    expect(row).toEqual({
      major: 18,
      fsync: "on",
      synchronous_commit: "on",
      full_page_writes: "on",
      data_checksums: "on",
      encoding: "UTF8",
      max_connections: 200,
      timezone: "UTC",
      upper: "Ä",
      by_code_point: true
    })
  })

  it("asks for a password that only the home's owner can read", { timeout: 30_000 }, async () => {
    const home = join(freshDirectory(), "home")
    const { url } = await hold({ home, port }).said
    expect(statSync(join(home, "postgres.json")).mode & 0o777).toBe(0o600)
    expect(statSync(join(home, "postgres.log")).mode & 0o777).toBe(0o600)
    expect(statSync(join(home, "postgres")).mode & 0o777).toBe(0o700)
    const { password } = new URL(url)
    expect(password.length).toBeGreaterThanOrEqual(32)
    await expect(query(url.replace(password, "wrong"), "SELECT 1")).rejects.toMatchObject({
      reason: { _tag: "AuthenticationError" }
    })
    const methods = await query(url, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    expect(methods).toEqual([{ auth_method: "scram-sha-256" }])
  })

  it("listens on 127.0.0.1 and nowhere else", { timeout: 30_000 }, async () => {
    const server = await hold({ home: join(freshDirectory(), "home"), port }).said
    expect(server.host).toBe("127.0.0.1")
    expect(server.port).toBeLessThan(32_768)
    const others = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    const addresses = ["::1", ...others.map(({ address }) => address)].filter((address) => address !== "127.0.0.1")
    for (const address of addresses) expect(await accepts(address, server.port), address).toBe(false)
    const [row] = await query(server.url, "SELECT current_setting('unix_socket_directories') AS sockets")
    expect(row).toEqual({ sockets: "" })
  })

  it("works below a path longer than a socket's name may be", { timeout: 30_000 }, async () => {
    const deep = Array.from({ length: 12 }, (_, index) => `a directory number ${index}`)
    const { dataDirectory, url } = await hold({ home: join(freshDirectory(), ...deep, "home"), port }).said
    expect(dataDirectory.length).toBeGreaterThan(200)
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
  })

  it("is made by one of many processes that start at once, and used by all", { timeout: 60_000 }, async () => {
    const home = join(freshDirectory(), "home")
    const started = [1, 2, 3, 4].map(() => hold({ home, port }))
    const said = await Promise.all(started.map((holder) => holder.said))
    expect(said.map(({ message }) => message)).toEqual([undefined, undefined, undefined, undefined])
    expect(said.filter(({ reused }) => !reused)).toHaveLength(1)
    expect(new Set(said.map(({ url }) => url)).size).toBe(1)
    await Promise.all(started.map((holder) => holder.end("SIGTERM")))
    await expectGone(home)
  })

  it("is made where CREDIT_HOME says", { timeout: 30_000 }, async () => {
    const home = join(freshDirectory(), "home")
    const dataDirectory = await EmbeddedPostgres.pipe(
      Effect.map((server) => server.dataDirectory),
      Effect.provide(EmbeddedPostgres.layer),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: { CREDIT_HOME: home } })),
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.runPromise
    )
    expect(dataDirectory).toBe(join(home, "postgres"))
    await expectGone(home)
  })

  it("that was killed in the middle of initdb is made good by the next", { timeout: 60_000 }, async () => {
    const home = join(freshDirectory(), "home")
    const first = hold({ home, port })
    await eventually("initdb is at work", () =>
      entries(home).some((name) => name.startsWith("postgres.new-") && entries(join(home, name)).includes("base"))
    )
    await first.end("SIGKILL")
    const { message, reused, url } = await hold({ home, port }).said
    expect(message).toBeUndefined()
    expect(reused).toBe(false)
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
  })
})

const entries = (directory: string) => (existsSync(directory) ? readdirSync(directory) : [])

const accepts = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 })
    const answer = (value: boolean) => () => {
      socket.destroy()
      resolve(value)
    }
    socket.on("connect", answer(true)).on("error", answer(false)).on("timeout", answer(false))
  })
