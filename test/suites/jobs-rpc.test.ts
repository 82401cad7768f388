import { randomUUID } from "node:crypto"
import { isCreditError, makeCreditClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"
import { inTheMiddle, layDueLots, runsOf, slowDown, speedUp, until } from "./JobRunners.ts"

/** What a promise rejects with, by its tag. */
const refusal = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason
  )
  if (!isCreditError(error)) throw new Error(`was not refused, or strangely: ${String(error)}`)
  return error
}

describe("Jobs that an operator runs and asks about", () => {
  let database: MerchantDatabase
  let owner: Session
  let services: ReadonlyArray<Service>
  let operator: ReturnType<typeof makeCreditClient>
  let tokens: { readonly operator: string; readonly admin: string }

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    owner = await openSession(database.ownerUrl)
    services = await Promise.all(
      [1, 2].map(() => startService([database], { REQUEST_DEADLINE: "2 seconds", PROCEDURE_LEASE: "1 second" }))
    )
    tokens = {
      operator: await tokenFor("operator", "ada"),
      admin: await tokenFor("admin", database.merchantId)
    }
    operator = client(0)
  })
  afterAll(async () => {
    await operator.close()
    await Promise.all(services.map((service) => service.end("SIGTERM")))
    await owner.close()
    await database.drop()
  })

  const client = (service: number, token = tokens.operator) =>
    makeCreditClient({
      baseUrl: services[service]?.url ?? "",
      token,
      merchantId: database.merchantId,
      retry: false
    })

  it("are for operators alone, and must be named", async () => {
    const admin = client(0, tokens.admin)
    expect(await refusal(admin.job.status({}))).toMatchObject({ _tag: "Forbidden" })
    expect(await refusal(admin.job.run({ name: "lot_expiry" }))).toMatchObject({ _tag: "Forbidden" })
    await admin.close()
  })

  it("run once per key, on every server; a replay says what the first answer said; the audit log has one line", async () => {
    await layDueLots(owner, 5, "once")
    const key = randomUUID()
    const answers = await Promise.all([0, 1, 0, 1].map((service) => answerTo(client(service), key)))
    const [first] = answers
    expect(first).toMatchObject({
      name: "lot_expiry",
      run: { state: "succeeded", affectedRows: 5, startedBy: "credit-service" },
      meta: { transactionId: expect.any(String) }
    })
    for (const { meta: _, ...rest } of answers) expect(rest).toEqual({ name: first?.name, run: first?.run })
    expect(await runsOf(owner, "lot_expiry")).toHaveLength(1)
    expect(
      await owner.query(
        "SELECT actor, outcome, detail -> 'made' ->> 'state' AS state FROM audit_log WHERE command = 'Job.Run'"
      )
    ).toEqual([{ actor: "ada", outcome: "succeeded", state: "succeeded" }])
    expect(await refusal(operator.job.run({ name: "operation_cleanup" }, { idempotencyKey: key }))).toMatchObject({
      _tag: "IntentConflict"
    })
  })

  it("that take longer go on: RequestInProgress, and the same key asks how it went, also of another server", async () => {
    await layDueLots(owner, 30, "long")
    await slowDown(owner)
    const key = randomUUID()
    const call = refusal(operator.job.run({ name: "lot_expiry" }, { idempotencyKey: key }))
    await inTheMiddle(owner, 30, 5)
    expect((await operator.job.status({})).jobs).toContainEqual(
      expect.objectContaining({
        name: "lot_expiry",
        running: true,
        lastRun: expect.objectContaining({ state: "running" })
      })
    )
    // A second run, under another key, while it is at work.
    expect(await client(1).job.run({ name: "lot_expiry" })).toMatchObject({ run: { state: "skipped" } })
    expect(await call).toMatchObject({ _tag: "RequestInProgress" })
    await speedUp(owner)
    const answer = await answerTo(client(1), key)
    expect(answer).toMatchObject({ run: { state: "succeeded", affectedRows: 30 } })
    expect((await runsOf(owner, "lot_expiry")).filter(({ state }) => state === "succeeded")).toHaveLength(2)
  })

  it("that a killed server ran are not run again under their key: it says what became of them", async () => {
    await layDueLots(owner, 30, "killed")
    await slowDown(owner)
    const doomed = await startService([database], { PROCEDURE_LEASE: "1 second" })
    const key = randomUUID()
    const asking = makeCreditClient({
      baseUrl: doomed.url,
      token: tokens.operator,
      merchantId: database.merchantId,
      retry: false
    })
    const lost = asking.job.run({ name: "lot_expiry" }, { idempotencyKey: key }).catch(() => "lost")
    await inTheMiddle(owner, 30, 35)
    await doomed.end("SIGKILL")
    expect(await lost).toBe("lost")
    const answer = await answerTo(operator, key)
    expect(answer).toMatchObject({ run: { state: "interrupted" } })
    await speedUp(owner)
    expect(await operator.job.run({ name: "lot_expiry" })).toMatchObject({ run: { state: "succeeded" } })
  })

  it("tell an operator who runs them, when they last did well, and what failed since", async () => {
    await owner.query("UPDATE app.jobs SET scheduled_since = clock_timestamp() - interval '3 days'")
    await owner.query(
      `INSERT INTO app.job_runs (job_name, state, finished_at, error, sql_state)
       SELECT 'lot_expiry', 'failed', clock_timestamp(), 'no entry for ann', 'P0001' FROM generate_series(1, 2)`
    )
    const status = await operator.job.status({})
    expect(status).toMatchObject({ merchantId: database.merchantId, driftedAccounts: 0 })
    expect(status.jobs.map(({ name, overdue, runner, schedule }) => ({ name, overdue, runner, schedule }))).toEqual([
      { name: "operation_cleanup", overdue: true, runner: "service", schedule: "*/15 * * * *" },
      { name: "lot_expiry", overdue: false, runner: "service", schedule: "0 2 * * *" },
      { name: "idempotency_cleanup", overdue: true, runner: "service", schedule: "0 3 * * *" },
      { name: "partition_creation", overdue: true, runner: "service", schedule: "0 1 * * *" },
      { name: "ledger_verification", overdue: true, runner: "service", schedule: "30 * * * *" }
    ])
    const [, expiry] = status.jobs
    expect(expiry).toMatchObject({
      running: false,
      failures: 2,
      ageSeconds: expect.any(Number),
      lastRun: { state: "failed", error: "no entry for ann" }
    })
  })

  it("of the kind that moves credits are refused in maintenance, and nothing is stored; the others run", async () => {
    await owner.query("UPDATE public.service_status SET status = 'maintenance', reason = 'moving house'")
    const key = randomUUID()
    for (const name of ["lot_expiry", "operation_cleanup"] as const) {
      expect(await refusal(operator.job.run({ name }, { idempotencyKey: key }))).toMatchObject({
        _tag: "MaintenanceMode",
        reason: "moving house"
      })
    }
    for (const name of ["idempotency_cleanup", "partition_creation", "ledger_verification"] as const) {
      expect(await operator.job.run({ name })).toMatchObject({ run: { state: "succeeded" } })
    }
    await owner.query("UPDATE public.service_status SET status = 'ready'")
    expect(await operator.job.run({ name: "lot_expiry" }, { idempotencyKey: key })).toMatchObject({
      run: { state: "succeeded" }
    })
  })

  it("run nothing in a dry run", async () => {
    const before = (await runsOf(owner, "lot_expiry")).length
    expect(await operator.job.run({ name: "lot_expiry" }, { dryRun: true })).toMatchObject({ name: "lot_expiry" })
    expect(await runsOf(owner, "lot_expiry")).toHaveLength(before)
  })

  /** Asks under a key until there is an answer. */
  const answerTo = async (asking: ReturnType<typeof makeCreditClient>, key: string) => {
    let answer: Awaited<ReturnType<typeof asking.job.run>> | undefined
    await until("an answer", 30, async () => {
      answer = await asking.job.run({ name: "lot_expiry" }, { idempotencyKey: key }).catch((error: unknown) => {
        if (isCreditError(error) && error._tag === "RequestInProgress") return undefined
        throw error
      })
      return answer !== undefined
    })
    if (answer === undefined) throw new Error("there is one")
    return answer
  }
})
