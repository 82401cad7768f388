import { closeSync, constants, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { prepareBinaries } from "@credit/server/embedded/Binaries"
import { EmbeddedPostgres } from "@credit/server/embedded/EmbeddedPostgres"
import { openHome } from "@credit/server/embedded/Home"
import { makeLifeline } from "@credit/server/embedded/Lifeline"
import { startPostgres } from "@credit/server/embedded/PostgresProcess"
import { serverAccount } from "@credit/server/embedded/ServerAccount"
import { pause } from "@credit/server/embedded/WallClock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import {
  cleanUp,
  eventually,
  expectGone,
  guardsOf,
  hold,
  occupy,
  platform,
  preparedHome,
  processesNaming,
  query,
  removePreparedHome,
  sleepingSession
} from "./Holder.ts"

const port = 25_520

afterEach(cleanUp)
afterAll(removePreparedHome)

/** Starts in this very process, which is loaded already: nothing comes between a kill and the start. */
const use = <A>(home: string, work: (server: { readonly url: string; readonly reused: boolean }) => Promise<A>) =>
  EmbeddedPostgres.make({ home }).pipe(
    Effect.flatMap(({ reused, superuserUrl }) =>
      Effect.promise(() => work({ url: Redacted.value(superuserUrl), reused }))
    ),
    Effect.scoped,
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.runPromise
  )

describe("a start at the worst moment", { timeout: 120_000 }, () => {
  it("after the only user was killed never gets a server that is about to end", async () => {
    const home = await preparedHome(port)
    await use(home, ({ url }) => query(url, "CREATE TABLE kept (id int)"))
    for (let round = 1; round <= 5; round++) {
      const holder = hold({ home })
      const { url } = await holder.said
      await query(url, `INSERT INTO kept VALUES (${round})`)
      holder.process.kill("SIGKILL")
      // From the very instant of the kill to long after the server's end, round by round.
      await Effect.runPromise(pause((round - 1) * 10))
      await use(home, async (server) => {
        // Whether it was joined before its user was quite dead, or started: a dying server would not last so long.
        await query(server.url, "SELECT pg_sleep(0.2)")
        expect(await query(server.url, "SELECT count(*)::int AS rows FROM kept")).toEqual([{ rows: round }])
      })
    }
  })

  it("does not join a server whose last user has gone, but waits for its end", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { dataDirectory } = await first.said
    // The server is left as it is in the moment before its guard ends it.
    const guards = guardsOf(dataDirectory)
    expect(guards).toHaveLength(2)
    for (const pid of guards) process.kill(pid, "SIGSTOP")
    await first.end("SIGKILL")
    const second = hold({ home })
    await eventually("it waits", () => second.log().includes("Waiting for an earlier PostgreSQL"))
    for (const pid of guards) process.kill(pid, "SIGCONT")
    expect(await second.said).toMatchObject({ reused: false })
  })

  it("after PostgreSQL alone was killed waits for its sessions to end, and recovers", async () => {
    const home = await preparedHome(port)
    const first = hold({ home })
    const { dataDirectory, url } = await first.said
    await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    const cut = query(url, "SELECT pg_sleep(600)").catch(() => "cut off")
    const session = await sleepingSession(url)
    process.kill(session, "SIGSTOP")
    process.kill(Number(readFileSync(join(dataDirectory, "postmaster.pid"), "utf8").split("\n")[0]), "SIGKILL")
    await eventually("the holder reports it", () => first.log().includes("ended by itself (status 137)"))
    const second = hold({ home })
    await eventually("it waits", () => second.log().includes("Waiting for an earlier PostgreSQL"))
    process.kill(session, "SIGCONT")
    const { message } = await second.said
    expect(message).toBeUndefined()
    expect(await cut).toBe("cut off")
    expect(await query(url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }])
  })

  it("of a server that cannot be seen, as from another container, waits until it has ended", async () => {
    const home = await preparedHome(port)
    const elsewhere = openSync(join(home, "run", "lifeline"), constants.O_RDONLY | constants.O_NONBLOCK)
    const holder = hold({ home })
    await eventually("it waits", () => holder.log().includes("Waiting for an earlier PostgreSQL"))
    expect(processesNaming(home)).toEqual([])
    closeSync(elsewhere)
    expect(await holder.said).toMatchObject({ reused: false })
  })

  it("whose port is taken between looking and listening reports it, and leaves nothing behind", async () => {
    const path = await preparedHome(port)
    const free = await occupy(port + 10)
    const result = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const home = yield* openHome(path)
          const account = yield* serverAccount(path, home.data)
          const { postgres } = yield* prepareBinaries({
            platform,
            packageDirectory: undefined,
            account,
            copies: home.binaries
          })
          yield* makeLifeline(home)
          const membership = yield* Effect.scope
          const dataDirectory = home.data
          return yield* startPostgres({ home, postgres, account, dataDirectory, port: port + 10, membership })
        })
      )
    )
    expect(result).toEqual({ _tag: "PortTaken" })
    await expectGone(path)
    await free()
  })
})
