import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { EmbeddedPostgres } from "@credit/server/embedded/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { freePort } from "../../test/utils/freePort.ts"
import { type Service, startProcess, startService } from "../../test/utils/Service.ts"
import { openSession } from "../../test/utils/Session.ts"
import { type LoadProcess, startLoadProcess } from "./LoadProcess.ts"
import {
  type Grown,
  growMerchant,
  type Merchant,
  makeMerchant,
  makeMerchants,
  makeWorkedMerchant
} from "./Merchants.ts"
import { isLoad, type Scenario } from "./Scenario.ts"

/** How many users work at the merchant that most is measured on, and at each of those who share a server. */
const USERS = 2000
const CROWD_USERS = 50
const LOAD_PROCESSES = 2

/** One PostgreSQL takes 200 connections: the servers share them. */
const BESIDE_OTHERS = { TOTAL_POOL_SIZE: "50" }
/**
 * A server of many merchants: one connection for each of them, and some. What it does not use it gives back at once, so that
 * others find it. On a machine that is busy otherwise it waits for a first connection rather than refuse.
 */
const OF_MANY = { TOTAL_POOL_SIZE: "110", MERCHANT_POOL_IDLE: "2 seconds", DATABASE_ACQUIRE_TIMEOUT: "5 seconds" }

/** All that is measured, up and funded. */
export interface Ground {
  readonly home: string
  readonly postgresPid: number
  readonly superuserUrl: string
  /** Whom most is measured on. */
  readonly main: Merchant
  /** The sandbox whose jobs run. */
  readonly worked: Merchant | undefined
  readonly grown: ReadonlyArray<Grown>
  readonly crowd: ReadonlyArray<Merchant>
  /** Serves all of them but the crowd. */
  readonly service: Service
  /** Serves the main merchant, too. */
  readonly second: Service | undefined
  readonly crowdService: Service | undefined
  readonly echo: Service
  readonly load: ReadonlyArray<LoadProcess>
}

/** Brings up what these scenarios need; with the scope it ends and leaves nothing behind. */
export const makeGround = Effect.fnUntraced(function* (
  scenarios: ReadonlyArray<Scenario>,
  crowdSize: number,
  progress: (text: string) => void
) {
  const loads = scenarios.filter(isLoad)
  const probes = scenarios.filter((scenario) => !isLoad(scenario)).map(({ name }) => name)
  const home = yield* temporaryFolder
  // The product's own server, and so its durability: the tests' throwaway server does not wait for the disk.
  const postgres = yield* EmbeddedPostgres.make({ home, port: yield* Effect.promise(freePort) })
  const postmaster = yield* Effect.promise(() => readFile(join(postgres.dataDirectory, "postmaster.pid"), "utf8"))
  const superuserUrl = Redacted.value(postgres.superuserUrl)

  progress("merchants")
  const main = yield* Effect.promise(() => makeMerchant(superuserUrl, USERS))
  const worked = loads.some(({ jobs }) => jobs)
    ? yield* Effect.promise(() => makeWorkedMerchant(superuserUrl))
    : undefined
  const crowdNeeded = Math.max(
    probes.includes("idle-merchants") ? crowdSize : 0,
    ...loads.map(({ merchants }) => (merchants > 1 ? merchants : 0))
  )
  const crowd = yield* makeMerchants(superuserUrl, crowdNeeded, CROWD_USERS)
  const sizes = new Set(loads.flatMap(({ entries }) => (entries === undefined ? [] : [entries])))
  const grown = yield* Effect.forEach(sizes, (entries) => {
    progress(`loading ${entries.toLocaleString("en")} entries`)
    return Effect.promise(() => growMerchant(superuserUrl, entries))
  })
  yield* Effect.promise(() => checkpoint(superuserUrl))

  progress("servers")
  const served = [main, ...grown, ...(worked === undefined ? [] : [worked])]
  const service = yield* running(() => serve(served, BESIDE_OTHERS))
  const second = loads.some(({ servers }) => servers === 2)
    ? yield* running(() => serve([main], BESIDE_OTHERS))
    : undefined
  const crowdService = loads.some(({ merchants }) => merchants > 1)
    ? yield* running(() => serve(crowd, OF_MANY))
    : undefined
  const echo = yield* running(startEcho)
  const load = yield* Effect.forEach(Array.from({ length: LOAD_PROCESSES }), () =>
    Effect.acquireRelease(Effect.promise(startLoadProcess), (it) => Effect.promise(() => it.end()))
  )
  const postgresPid = Number(postmaster.split("\n")[0])
  const ground: Ground = {
    ...{ home, postgresPid, superuserUrl, main, worked, grown, crowd },
    ...{ service, second, crowdService, echo, load }
  }
  return ground
})

/** A server of these merchants, as it is deployed. */
export const serve = (merchants: ReadonlyArray<Merchant>, environment: Readonly<Record<string, string>>) =>
  startService(
    merchants.map(({ database }) => database),
    { NODE_ENV: "production", HOST: "127.0.0.1", ...environment }
  )

/** A server of many merchants. */
export const serveMany = (merchants: ReadonlyArray<Merchant>) => serve(merchants, OF_MANY)

/** A folder that ends with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const home = await mkdtemp(join(tmpdir(), "credit-bench-"))
    // Started by root, PostgreSQL runs under another account, which must get there.
    if (process.getuid?.() === 0) await chmod(home, 0o711)
    return home
  }),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Writes out what the loading left: otherwise that would fall into some measurement. */
const checkpoint = async (superuserUrl: string): Promise<void> => {
  const session = await openSession(superuserUrl)
  try {
    await session.query("CHECKPOINT")
  } finally {
    await session.close()
  }
}

export const running = (start: () => Promise<Service>) =>
  Effect.acquireRelease(Effect.promise(start), (it) => Effect.promise(() => it.end("SIGTERM")))

const startEcho = async (): Promise<Service> => {
  const port = await freePort()
  return startProcess(fileURLToPath(new URL("echo.ts", import.meta.url)), { PORT: `${port}` }, port)
}
