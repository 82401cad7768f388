import { closeSync, constants, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { prepareBinaries } from "../../src/embedded/Binaries.ts"
import { EmbeddedPostgres } from "../../src/embedded/EmbeddedPostgres.ts"
import { openHome } from "../../src/embedded/Home.ts"
import { makeLifeline } from "../../src/embedded/Lifeline.ts"
import { startPostgres } from "../../src/embedded/PostgresProcess.ts"
import { serverAccount } from "../../src/embedded/ServerAccount.ts"
import { pause } from "../../src/embedded/WallClock.ts"
import {
  cleanUp,
  eventually,
  expectGone,
  hold,
  occupy,
  platform,
  preparedHome,
  processesNaming,
  query,
  removePreparedHome
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
    for (let round = 1; round <= 8; round++) {
      const holder = hold({ home })
      const { url } = await holder.said
      await query(url, `INSERT INTO kept VALUES (${round})`)
      holder.process.kill("SIGKILL")
      // From the very instant of the kill to long after the server's end, round by round.
      await Effect.runPromise(pause((round - 1) * 6))
      await use(home, async (server) => {
        // Whether it was joined before its user was quite dead, or started: a dying server would not last so long.
        await query(server.url, "SELECT pg_sleep(0.2)")
        expect(await query(server.url, "SELECT count(*)::int AS rows FROM kept")).toEqual([{ rows: round }])
      })
    }
  })

  it("right after PostgreSQL alone was killed, its sessions still there, waits for them and recovers", async () => {
    const home = await preparedHome(port)
    const holder = hold({ home })
    const { url } = await holder.said
    await query(url, "CREATE TABLE kept (id int)")
    for (let round = 1; round <= 4; round++) {
      await use(home, async (server) => {
        await query(server.url, `INSERT INTO kept VALUES (${round})`)
        // They notice the postmaster's death only when they come up for air.
        const busy = "SELECT count(*) FROM generate_series(1, 100000000)"
        const sessions = [1, 2, 3].map(() => query(server.url, busy).catch(() => "cut off"))
        process.kill(Number(readFileSync(join(home, "postgres", "postmaster.pid"), "utf8").split("\n")[0]), "SIGKILL")
        const rows = await use(home, (next) => query(next.url, "SELECT count(*)::int AS rows FROM kept"))
        expect(rows).toEqual([{ rows: round }])
        await Promise.all(sessions)
      })
    }
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
