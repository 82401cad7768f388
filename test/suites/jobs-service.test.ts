import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createMerchantDatabase,
  openSession,
  type Session,
  startThrowawayServer,
  type TestServer
} from "../utils/Postgres.ts"
import { type Service, startService } from "../utils/Service.ts"
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

const JOBS = ["idempotency_cleanup", "ledger_verification", "lot_expiry", "operation_cleanup", "partition_creation"]

describe("jobs run by the service", () => {
  /** Its own: it is made to crash. */
  let server: TestServer
  let merchants: ReadonlyArray<Merchant>
  const services: Array<Service> = []
  beforeAll(async () => {
    server = await startThrowawayServer()
    merchants = await Promise.all(
      Array.from({ length: 3 }, async () => merchantOf(await createMerchantDatabase(server.adminUrl)))
    )
  })
  afterAll(async () => {
    await Promise.allSettled(services.map((service) => service.end("SIGTERM")))
    await Promise.allSettled(merchants.map(({ owner }) => owner.close()))
    await server.stop()
  })

  const start = async (environment: Readonly<Record<string, string>> = {}) => {
    const service = await startService(
      merchants.map(({ database }) => database),
      { JOB_SCHEDULER: "on", ...environment }
    )
    services.push(service)
    return service
  }
  /** As if its jobs had last run two days ago. */
  const longAgo = ({ owner }: Merchant) =>
    owner.query("UPDATE app.jobs SET scheduled_since = clock_timestamp() - interval '48 hours'")

  const merchant = (index: number): Merchant => {
    const found = merchants[index]
    if (found === undefined) throw new Error("there are three")
    return found
  }

  it("are made up for when their time was missed: each once, whichever of the servers; pg_cron's are left alone", async () => {
    const [acme, globex, cron] = [merchant(0), merchant(1), merchant(2)]
    await cron.owner.query("UPDATE app.jobs SET runner = 'pg_cron', cron_database = 'elsewhere'")
    for (const each of merchants) {
      await layDueLots(each.owner, 40)
      await longAgo(each)
    }
    await Promise.all([start(), start(), start({ JOB_SCHEDULER: "off" })])
    for (const { owner } of [acme, globex]) {
      for (const job of JOBS) {
        await until(job, 30, async () => (await runsOf(owner, job)).some(({ state }) => state === "succeeded"))
        expect(await runsOf(owner, job)).toMatchObject([{ state: "succeeded", started_by: "credit-service" }])
      }
      expect(await booked(owner)).toBe(40)
      expect(await faults(owner)).toEqual([])
    }
    for (const job of JOBS) expect(await runsOf(cron.owner, job)).toEqual([])
  })

  it("are gone on with by the other server when the one that runs them is killed", async () => {
    const { owner } = merchant(0)
    await owner.query("UPDATE app.jobs SET scheduled_since = clock_timestamp()")
    await owner.query("DELETE FROM app.job_runs")
    await layDueLots(owner, 40, "more")
    await slowDown(owner)
    await longAgo(merchant(0))
    for (const service of services.splice(0)) await service.end("SIGTERM")
    const first = await start()
    const pid = await inTheMiddle(owner, 30, 40)
    const second = await start()
    await first.end("SIGKILL")
    // The session of a dead server ends by itself, in the middle of its work.
    await until("the session ends", 10, async () => {
      const sessions = await owner.query("SELECT FROM pg_stat_activity WHERE pid = $1::integer", [pid])
      return sessions.length === 0
    })
    expect(await booked(owner)).toBeLessThan(80)
    await speedUp(owner)
    await until("the other server's run", 40, async () =>
      (await runsOf(owner, "lot_expiry")).some(({ state }) => state === "succeeded")
    )
    const runs = await runsOf(owner, "lot_expiry")
    expect(runs).toMatchObject([{ state: "interrupted", pid }, { state: "succeeded" }])
    expect(Number(runs[0]?.rows) + Number(runs[1]?.rows)).toBe(40)
    expect(await booked(owner)).toBe(80)
    expect(await faults(owner)).toEqual([])
    expect(second.output()).not.toContain("failed")
  })

  it("are gone on with after the database server crashed in their middle", async () => {
    const { owner } = merchant(1)
    await owner.query("DELETE FROM app.job_runs")
    await layDueLots(owner, 40, "more")
    await slowDown(owner)
    await longAgo(merchant(1))
    for (const service of services.splice(0)) await service.end("SIGTERM")
    await start()
    const pid = await inTheMiddle(owner, 30, 40)
    // One process of the server dies: all sessions end, and the server recovers as from a crash.
    process.kill(pid, "SIGKILL")
    const again = await untilOpen(merchant(1).database.ownerUrl, pid)
    await speedUp(again)
    await until("the next run", 40, async () =>
      (await runsOf(again, "lot_expiry")).some(({ state }) => state === "succeeded")
    )
    expect(await runsOf(again, "lot_expiry")).toMatchObject([{ state: "interrupted", pid }, { state: "succeeded" }])
    expect(await booked(again)).toBe(80)
    expect(await faults(again)).toEqual([])
    await again.close()
  })
})

/** A session, as soon as the server takes one again after it lost a process. */
const untilOpen = async (url: string, lost: number): Promise<Session> => {
  let session: Session | undefined
  await until("the server takes sessions", 30, async () => {
    try {
      session = await openSession(url)
      return (await session.query("SELECT FROM pg_stat_activity WHERE pid = $1::integer", [lost])).length === 0
    } catch {
      return false
    }
  })
  if (session === undefined) throw new Error("there is one")
  return session
}
