import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { EmbeddedPostgres } from "@credit/server/embedded/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { freePort } from "../../test/utils/freePort.ts"
import { createMerchantDatabase, openSession, type Session } from "../../test/utils/Postgres.ts"
import { type Service, startProcess, startService, tokenFor } from "../../test/utils/Service.ts"
import { addSamples } from "../../test/utils/samples.ts"
import { type LoadProcess, startLoadProcess } from "./LoadProcess.ts"

/** How many users work, and how many others buy. */
export const USERS = 2000
const LOAD_PROCESSES = 2

/** All that is measured, up and funded. */
export interface Ground {
  readonly home: string
  readonly postgresPid: number
  readonly owner: Session
  readonly ownerUrl: string
  readonly service: Service
  readonly token: string
  readonly echo: Service
  readonly load: ReadonlyArray<LoadProcess>
}

/** Brings it up; with the scope it ends and leaves nothing behind. */
export const makeGround = Effect.gen(function* () {
  const home = yield* Effect.acquireRelease(Effect.promise(makeHome), (path) =>
    Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  // The product's own server, and so its durability: the tests' throwaway server does not wait for the disk.
  const postgres = yield* EmbeddedPostgres.make({ home, port: yield* Effect.promise(freePort) })
  const postmaster = yield* Effect.promise(() => readFile(join(postgres.dataDirectory, "postmaster.pid"), "utf8"))
  const database = yield* Effect.promise(() => createMerchantDatabase(Redacted.value(postgres.superuserUrl)))
  const owner = yield* Effect.acquireRelease(
    Effect.promise(() => openSession(database.ownerUrl)),
    (session) => Effect.promise(() => session.close())
  )
  yield* Effect.promise(() => addSamples(database))
  yield* Effect.promise(() => prepare(owner))
  const service = yield* running(() => startService([database], { NODE_ENV: "production", HOST: "127.0.0.1" }))
  const echo = yield* running(startEcho)
  const token = yield* Effect.promise(() => tokenFor("app", database.merchantId))
  const load = yield* Effect.forEach(Array.from({ length: LOAD_PROCESSES }), () =>
    Effect.acquireRelease(Effect.promise(startLoadProcess), (it) => Effect.promise(() => it.end()))
  )
  const ground: Ground = {
    home,
    postgresPid: Number(postmaster.split("\n")[0]),
    owner,
    ownerUrl: database.ownerUrl,
    service,
    token,
    echo,
    load
  }
  return ground
})

const makeHome = async (): Promise<string> => {
  const home = await mkdtemp(join(tmpdir(), "credit-bench-"))
  // Started by root, PostgreSQL runs under another account, which must get there.
  if (process.getuid?.() === 0) await chmod(home, 0o711)
  return home
}

/** The bench's own functions and users. */
const prepare = async (owner: Session): Promise<void> => {
  await owner.query("CREATE SCHEMA bench")
  for (const name of ["users", "open", "close"]) {
    await owner.query(await readFile(new URL(`../sql/${name}.sql`, import.meta.url), "utf8"))
  }
  await owner.query("SELECT bench.add_users($1::integer)::text", [USERS])
  // Not the tables that are empty still: a real merchant's are never analysed empty, and plans made for that are bad ones.
  await owner.query("VACUUM (ANALYZE) public.accounts, public.lots, public.ledger_entries")
}

const running = (start: () => Promise<Service>) =>
  Effect.acquireRelease(Effect.promise(start), (it) => Effect.promise(() => it.end("SIGTERM")))

const startEcho = async (): Promise<Service> => {
  const port = await freePort()
  return startProcess(fileURLToPath(new URL("echo.ts", import.meta.url)), { PORT: `${port}` }, port)
}
