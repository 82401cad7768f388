import { registerJobs, unregisterJobs } from "@credit/server/jobs/JobRegistration"
import { loadMigrations } from "@credit/server/migrations/MigrationFile"
import { migrate } from "@credit/server/migrations/Migrations"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type CronServer, startCronServer } from "../utils/CronServer.ts"
import { cannotRun } from "../utils/debianPackages.ts"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { faults } from "../utils/verify.ts"
import {
  booked,
  inTheMiddle,
  layDueLots,
  type Merchant,
  merchantOf,
  runsOf,
  slowDown,
  speedUp,
  until
} from "./JobRunners.ts"

const found = await startCronServer()
if ("missing" in found) cannotRun("jobs run by pg_cron", found)

const JOBS = ["idempotency_cleanup", "ledger_verification", "lot_expiry", "operation_cleanup", "partition_creation"]

describe.skipIf("missing" in found)("jobs run by pg_cron", () => {
  let server: CronServer
  let cron: Session
  let acme: Merchant
  let globex: Merchant
  beforeAll(async () => {
    if ("missing" in found) return
    server = found
    cron = await openSession(server.adminUrl)
    await cron.query("CREATE EXTENSION pg_cron")
    acme = await merchantOf(await createMerchantDatabase(server.adminUrl))
    globex = await merchantOf(await createMerchantDatabase(server.adminUrl))
  })
  afterAll(async () => {
    if ("missing" in found) return
    await Promise.allSettled([cron.close(), acme.owner.close(), globex.owner.close()])
    await server.stop()
  })

  const loginOf = ({ runtimeUrl }: MerchantDatabase) => new URL(runtimeUrl).username
  const nameOf = ({ ownerUrl }: MerchantDatabase) => new URL(ownerUrl).pathname.slice(1)
  const register = ({ database }: Merchant, cronUrls = [server.adminUrl]) =>
    Effect.runPromise(
      registerJobs({
        url: Redacted.make(database.ownerUrl),
        login: loginOf(database),
        cronUrls: cronUrls.map((url) => Redacted.make(url))
      })
    )
  const scheduled = ({ database }: Merchant) =>
    cron.query(
      `SELECT jobid::integer AS id, substr(jobname, length('credit:' || database) + 2) AS job, schedule, username, active
       FROM cron.job WHERE database = $1 ORDER BY jobname`,
      [nameOf(database)]
    )

  it("are scheduled from the server's cron database, for each merchant, as the login that serves it", async () => {
    for (const merchant of [acme, globex]) {
      const username = loginOf(merchant.database)
      expect(await register(merchant)).toEqual({ runner: "pg_cron", cronDatabase: "postgres", username })
      expect(await scheduled(merchant)).toMatchObject(JOBS.map((job) => ({ job, username, active: true })))
      expect(await merchant.owner.query("SELECT DISTINCT runner::text, cron_database FROM app.jobs")).toEqual([
        { runner: "pg_cron", cron_database: "postgres" }
      ])
    }
  })

  it("are registered again without a change, and a schedule that changed is changed", async () => {
    const before = await scheduled(acme)
    await register(acme)
    expect(await scheduled(acme)).toEqual(before)
    for (const { owner } of [acme, globex]) {
      await owner.query(
        "UPDATE app.jobs SET schedule = '* * * * *' WHERE job_name IN ('lot_expiry', 'partition_creation')"
      )
    }
    await cron.query(
      "SELECT cron.alter_job(jobid, active => false) FROM cron.job WHERE jobname LIKE '%operation_cleanup'"
    )
    for (const merchant of [acme, globex]) await register(merchant)
    const after = await scheduled(acme)
    expect(after).toMatchObject([
      before[0] ?? {},
      before[1] ?? {},
      { job: "lot_expiry", schedule: "* * * * *" },
      { job: "operation_cleanup", active: true },
      { job: "partition_creation", schedule: "* * * * *" }
    ])
  })

  it("fire within their minute in both databases; one that a crash of the server cuts off is gone on with", async () => {
    for (const { owner } of [acme, globex]) await layDueLots(owner, 60)
    await slowDown(acme.owner)
    await until("globex's run", 90, async () =>
      (await runsOf(globex.owner, "lot_expiry")).some(({ state }) => state === "succeeded")
    )
    expect((await runsOf(globex.owner, "lot_expiry"))[0]).toMatchObject({
      state: "succeeded",
      started_by: "pg_cron",
      rows: 60
    })
    await until("a job beside it", 30, async () => (await runsOf(globex.owner, "partition_creation")).length > 0)

    await inTheMiddle(acme.owner, 90)
    await server.crash()
    for (const merchant of [acme, globex]) {
      const { owner } = merchant
      await owner.close().catch(() => undefined)
      Object.assign(merchant, { owner: await openSession(merchant.database.ownerUrl) })
    }
    const [cut] = await runsOf(acme.owner, "lot_expiry")
    expect(cut).toMatchObject({ state: "running", started_by: "pg_cron", rows: await booked(acme.owner) })
    expect(cut?.rows).toBeLessThan(60)
    await speedUp(acme.owner)
    // By hand, for the next minute is far: pg_cron would do the same.
    const session = await openSession(acme.database.runtimeUrl)
    await session.query("CALL app.expire_lots()")
    await session.close()
    const runs = (await runsOf(acme.owner, "lot_expiry")).slice(0, 2)
    expect(runs).toMatchObject([{ state: "interrupted" }, { state: "succeeded", rows: 60 - Number(cut?.rows) }])
    for (const { owner } of [acme, globex]) {
      expect(await booked(owner)).toBe(60)
      expect(await faults(owner)).toEqual([])
    }
  })

  it("each can be called by the login that serves the database", async () => {
    const session = await openSession(globex.database.runtimeUrl)
    for (const job of JOBS) {
      const [row] = await globex.owner.query("SELECT command FROM app.jobs WHERE job_name = $1", [job])
      await session.query(String(row?.command))
      expect((await runsOf(globex.owner, job)).at(-1)).toMatchObject({ state: "succeeded" })
    }
    await session.close()
  })

  it("stay pg_cron's where nobody can tell it to stop, and are unregistered with their merchant", async () => {
    cron = await openSession(server.adminUrl)
    await expect(register(acme, [])).rejects.toThrow(/pg_cron of the database postgres: set CRON_DATABASE_URL/)
    const cronUrls = [Redacted.make(server.adminUrl)]
    const url = Redacted.make(acme.database.ownerUrl)
    const removed = await Effect.runPromise(unregisterJobs({ database: nameOf(acme.database), url, cronUrls }))
    expect(removed).toBe(5)
    expect(await scheduled(acme)).toEqual([])
    expect(await acme.owner.query("SELECT DISTINCT runner::text FROM app.jobs")).toEqual([{ runner: "service" }])
    expect(await register(acme, [])).toEqual({ runner: "service" })

    // A database that is gone already, by its name.
    await globex.owner.close()
    await globex.database.drop()
    expect(await scheduled(globex)).toHaveLength(5)
    const gone = { database: nameOf(globex.database), url: undefined, cronUrls }
    expect(await Effect.runPromise(unregisterJobs(gone))).toBe(5)
    expect(await scheduled(globex)).toEqual([])
  })

  it("are the service's where the given cron database is of another server, or says why they cannot be registered", async () => {
    const other = await createMerchantDatabase(server.adminUrl)
    const merchant = await merchantOf(other)
    await cron.query(`REVOKE credit_runtime FROM ${loginOf(other)}`)
    await expect(register(merchant)).rejects.toThrow(/which may not: as an administrator run GRANT CONNECT/)
    await expect(register(merchant, [other.adminUrl])).rejects.toThrow(/CREATE EXTENSION pg_cron/)
    expect(await merchant.owner.query("SELECT DISTINCT runner::text FROM app.jobs")).toEqual([{ runner: "service" }])
    await merchant.owner.close()
    await other.drop()
  })

  it("are scheduled by the pg_cron of their own database where that has it", async () => {
    const url = Redacted.make(server.adminUrl)
    const files = await Effect.runPromise(loadMigrations().pipe(Effect.provide(NodeFileSystem.layer)))
    await Effect.runPromise(migrate({ url, files }))
    await cron.query("SELECT app.initialise_merchant('home', false)::text")
    const registered = await Effect.runPromise(registerJobs({ url, login: "postgres", cronUrls: [] }))
    expect(registered).toEqual({ runner: "pg_cron", cronDatabase: "postgres", username: "postgres" })
    expect(await cron.query("SELECT count(*)::integer AS jobs FROM cron.job WHERE database = 'postgres'")).toEqual([
      { jobs: 5 }
    ])
  })
})
