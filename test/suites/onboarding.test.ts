import { spawn } from "node:child_process"
import { randomBytes, randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { type CreditPromiseClient, isCreditError, makeCreditClient } from "@credit/client"
import { OnboardingStep } from "@credit/rpc/Merchants"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { JWT_SECRET, type Service, startService, tokenFor } from "../utils/Service.ts"
import { purchaseOf } from "../utils/samples.ts"

const dieAfterStep = fileURLToPath(new URL("../utils/dieAfterStep.ts", import.meta.url))
const steps = OnboardingStep.literals

type Onboard = CreditPromiseClient["merchant"]["onboard"]
type Element = ReturnType<Onboard> extends AsyncIterable<infer E> ? E : never

const collect = async (stream: AsyncIterable<Element>): Promise<ReadonlyArray<Element>> => {
  const elements: Array<Element> = []
  for await (const element of stream) elements.push(element)
  return elements
}
const resultOf = (elements: ReadonlyArray<Element>) => {
  const last = elements.at(-1)
  if (last?._tag !== "Done") throw new Error(`ended with ${last?._tag}`)
  return last
}
const refusal = async (call: Promise<unknown>) => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason
  )
  if (!isCreditError(error)) throw new Error(`was not refused, or strangely: ${String(error)}`)
  return error
}

describe("A merchant is onboarded", () => {
  const prefix = `ob_${randomBytes(4).toString("hex")}`
  const [ownerName, loginName, poorName] = [`${prefix}_owner`, `${prefix}_login`, `${prefix}_poor`]
  let admin: Session
  let taken: MerchantDatabase
  let services: readonly [Service, Service]
  let client: CreditPromiseClient
  let environment: Readonly<Record<string, string>>

  const urlOf = (login: string, database: string) => {
    const url = new URL(inject("adminUrl"))
    return `postgres://${login}:secret@${url.hostname}:${url.port}/${database}`
  }
  const databaseOf = (merchantId: string) => `${prefix}_${merchantId}`

  beforeAll(async () => {
    admin = await openSession(inject("adminUrl"))
    taken = await createMerchantDatabase(inject("adminUrl"))
    await admin.query(`CREATE ROLE ${ownerName} LOGIN CREATEDB PASSWORD 'secret'`)
    await admin.query(`CREATE ROLE ${loginName} LOGIN PASSWORD 'secret'`)
    await admin.query(`CREATE ROLE ${poorName} LOGIN PASSWORD 'secret'`)
    await admin.query(`GRANT credit_runtime TO ${ownerName} WITH ADMIN OPTION`)
    environment = {
      MERCHANT_DATABASE_URL_TEMPLATE: urlOf(loginName, `${prefix}_{id}`),
      MERCHANT_MIGRATION_DATABASE_URL_TEMPLATE: urlOf(ownerName, `${prefix}_{id}`),
      MERCHANT_STOLEN_DATABASE_URL: taken.runtimeUrl,
      MERCHANT_STOLEN_MIGRATION_DATABASE_URL: taken.ownerUrl,
      MERCHANT_POOR_DATABASE_URL: urlOf("nobody_of_this_name", `${prefix}_poor`),
      MERCHANT_POOR_MIGRATION_DATABASE_URL: urlOf(poorName, `${prefix}_poor`),
      PROCEDURE_LEASE: "1 second"
    }
    services = await Promise.all([startService([], environment), startService([], environment)])
    client = makeCreditClient({ baseUrl: services[0].url, token: await tokenFor("operator", "ada") })
  })
  afterAll(async () => {
    await client.close()
    await Promise.all(services.map((service) => service.end("SIGTERM")))
    const made = await admin.query("SELECT datname::text AS name FROM pg_database WHERE starts_with(datname, $1)", [
      prefix
    ])
    for (const { name } of made) await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`)
    await admin.query(`DROP ROLE ${ownerName}, ${loginName}, ${poorName}`)
    await admin.close()
    await taken.drop()
  })

  const inSession = async <A>(merchantId: string, use: (session: Session) => Promise<A>): Promise<A> => {
    const session = await openSession(urlOf(ownerName, databaseOf(merchantId)))
    try {
      return await use(session)
    } finally {
      await session.close()
    }
  }
  const rows = async (session: Session, sql: string, parameters: ReadonlyArray<string> = []) =>
    (await session.query(sql, parameters)).map((row) => ({ ...row }))
  const inDatabase = (merchantId: string, sql: string) => inSession(merchantId, (session) => rows(session, sql))
  const withToken = (token: string, service = services[0]) => makeCreditClient({ baseUrl: service.url, token })
  const outcomes = (elements: ReadonlyArray<Element>) =>
    Object.fromEntries(resultOf(elements).steps.map(({ outcome, step }) => [step, outcome]))

  /** All that onboarding makes of a merchant, but for what names it. */
  const stateOf = (merchantId: string) =>
    inSession(merchantId, async (session) => ({
      settings: await rows(
        session,
        `SELECT s.merchant_id = $1 AS own, s.legal_name, s.sandbox, s.tax_regime, s.receipt_prefix
         FROM merchant_settings AS s`,
        [merchantId]
      ),
      catalog: await rows(
        session,
        `SELECT p.product_code::text AS code, p.credits FROM products AS p
         UNION ALL SELECT r.product_code || r.country || r.currency || r.amount, 0 FROM product_prices AS r
         UNION ALL SELECT t.operation_type_code || t.credits_per_unit, 0 FROM operation_types AS t ORDER BY 1`
      ),
      migrations: await rows(session, "SELECT id, checksum FROM migrations ORDER BY id"),
      access: await rows(
        session,
        `SELECT has_database_privilege($1, current_database(), 'CONNECT') AS may,
           pg_has_role($1, 'credit_runtime', 'MEMBER') AS member,
           has_database_privilege($2, current_database(), 'CONNECT') AS strangers`,
        [loginName, poorName]
      ),
      keys: await rows(
        session,
        "SELECT command_type, state, lease_until IS NULL AS released FROM idempotency_tracking"
      ),
      audited: await rows(session, "SELECT command, actor, outcome FROM audit_log")
    }))

  it("without a restart: told step by step, and sold to with the token it got, by every server", async () => {
    const early = withToken(await tokenFor("app", "first"), services[1])
    expect(await refusal(early.getUserBalance({ userId: "ann" }))).toMatchObject({ _tag: "MerchantUnknown" })

    const elements = await collect(
      client.merchant.onboard({ merchantId: "first", settings: { legalName: "Ann's Pens" } })
    )
    const done = elements.flatMap((it) => (it._tag === "StepDone" ? [it.step] : []))
    expect(done).toEqual(steps)
    expect(elements.filter(({ _tag }) => _tag === "Migrated").length).toBeGreaterThan(7)
    expect(outcomes(elements)).toEqual({
      ...Object.fromEntries(steps.map((step) => [step, "done"])),
      // Said as it is: this service has neither yet, or has done it.
      jobs: expect.stringMatching(/^(not_yet|done)$/),
      monitoring: expect.stringMatching(/^(not_yet|done)$/)
    })
    const { checks, token } = resultOf(elements)
    expect(
      checks
        .filter(({ ok }) => !ok)
        .map(({ check }) => check)
        .filter((check) => check !== "durability")
    ).toEqual([])
    if (token === undefined) throw new Error("no token")
    expect(token).toMatchObject({ role: "app", subject: "first" })

    const app = withToken(token.token)
    const sold = await app.purchase.settled(purchaseOf("ann", "pay-1"))
    expect(sold.userBalance.balance).toBe(1000)
    // This one had looked for it in vain, and looks again by itself.
    const elsewhere = withToken(token.token, services[1])
    const found = await until("MerchantUnknown", () => elsewhere.getUserBalance({ userId: "ann" }))
    expect(found.balance).toBe(1000)
    expect((await stateOf("first")).access).toEqual([{ may: true, member: true, strangers: false }])
  })

  it("once: the same key replays the answer and signs the same token; another key changes nothing that is there", async () => {
    const idempotencyKey = randomUUID()
    const payload = { merchantId: "second", sandbox: true, settings: { receiptPrefix: "INV" } } as const
    const first = resultOf(await collect(client.merchant.onboard(payload, { idempotencyKey })))
    const again = await collect(client.merchant.onboard(payload, { idempotencyKey }))
    expect(again).toEqual([{ ...first, meta: { ...first.meta, replayed: true } }])
    expect(await inDatabase("second", "SELECT actor, outcome FROM audit_log")).toEqual([
      { actor: "ada", outcome: "succeeded" }
    ])
    const kept = await inDatabase("second", "SELECT response FROM idempotency_tracking")
    expect(String(kept[0]?.response)).not.toContain(first.token?.token.split(".")[2])

    const before = await stateOf("second")
    const other = await collect(
      client.merchant.onboard({ merchantId: "second", settings: { receiptPrefix: "NEW", legalName: "Other" } })
    )
    expect(outcomes(other)).toMatchObject({
      database: "already_done",
      migrate: "already_done",
      access: "already_done",
      settings: "already_done",
      catalog: "already_done",
      token: "done"
    })
    expect(resultOf(other).token?.token).not.toBe(first.token?.token)
    const after = await stateOf("second")
    expect({ ...after, keys: [], audited: [] }).toEqual({ ...before, keys: [], audited: [] })
    const differs = await refusal(collect(client.merchant.onboard({ merchantId: "second" }, { idempotencyKey })))
    expect(differs).toMatchObject({ _tag: "IntentConflict" })
  })

  it("leaves a catalog of the merchant's own alone, and finishes what a merchant lacks", async () => {
    await collect(client.merchant.onboard({ merchantId: "third", catalog: "none" }))
    await admin.query(`REVOKE CONNECT ON DATABASE "${databaseOf("third")}" FROM ${loginName}`)
    const dry = await collect(client.merchant.onboard({ merchantId: "third" }, { dryRun: true }))
    expect(outcomes(dry)).toMatchObject({ settings: "already_done", access: "would_do", catalog: "would_do" })
    expect((await stateOf("third")).catalog).toEqual([])
    const finished = await collect(client.merchant.onboard({ merchantId: "third" }))
    expect(outcomes(finished)).toMatchObject({ settings: "already_done", access: "done", catalog: "done" })
    expect((await stateOf("third")).catalog.length).toBeGreaterThan(7)
    const once = await collect(client.merchant.onboard({ merchantId: "third" }))
    expect(outcomes(once)).toMatchObject({ catalog: "already_done" })
  })

  it("by two at once under one key: one does it, the other is told so or gets the answer", async () => {
    const idempotencyKey = randomUUID()
    const token = await tokenFor("operator", "bob")
    const ask = (service: Service) =>
      collect(
        makeCreditClient({ baseUrl: service.url, token, retry: false }).merchant.onboard(
          { merchantId: "twice" },
          { idempotencyKey }
        )
      ).catch((error: unknown) => error)
    const ends = await Promise.all([ask(services[0]), ask(services[1]), ask(services[0])])
    const answers = ends.flatMap((end) => (Array.isArray(end) ? [resultOf(end)] : []))
    for (const end of ends) if (!Array.isArray(end)) expect(end).toMatchObject({ _tag: "RequestInProgress" })
    expect(answers.length).toBeGreaterThan(0)
    expect(new Set(answers.map((answer) => answer.token?.token)).size).toBe(1)
    expect(await inDatabase("twice", "SELECT outcome FROM audit_log")).toEqual([{ outcome: "succeeded" }])
  })

  it("or is refused with everything that is wrong at once, and nothing is changed", async () => {
    const problems = async (payload: Parameters<Onboard>[0]) => {
      const error = await refusal(collect(client.merchant.onboard(payload)))
      if (error._tag !== "MerchantInvalid") throw error
      return error.problems.map(({ code }) => code).toSorted()
    }
    expect(await problems({ merchantId: "Not An Id", settings: { taxRegime: "vat" } })).toEqual(["id_form", "tax"])
    expect(await problems({ merchantId: "stolen" })).toEqual(["database_of_another_merchant"])
    expect(
      await problems({ merchantId: "poor", settings: { taxRate: "20" }, tokenLifetimeSeconds: 3_000_000_000 })
    ).toEqual([
      "may_not_create_database",
      "may_not_grant_runtime_role",
      "runtime_login_missing",
      "tax",
      "token_lifetime"
    ])
    expect(await problems({ merchantId: "second", sandbox: false })).toEqual(["kind_differs"])
    await admin.query(`CREATE DATABASE "${databaseOf("full")}" OWNER ${ownerName}`)
    await inDatabase("full", "CREATE TABLE notes (note text)")
    expect(await problems({ merchantId: "full" })).toEqual(["database_occupied"])
    const owner = await openSession(taken.ownerUrl)
    expect(await owner.query("SELECT FROM audit_log")).toEqual([])
    await owner.close()
  })

  it("and is seen as a whole, at a cost that does not grow", async () => {
    const status = await withToken(await tokenFor("admin", "first")).merchant.status({})
    expect(status).toMatchObject({
      merchantId: "first",
      service: { status: "ready" },
      settings: { legalName: "Ann's Pens", sandbox: false, receiptPrefix: "R", taxRegime: "none" },
      catalog: { sellableProducts: 2, grantProducts: 2, archivedProducts: 0, operationTypes: 3 },
      operations: { open: 0, more: false },
      totals: { exact: true, accounts: 1, balance: 1000, debt: 0, held: 0 }
    })
    expect(status.migrations.version).toBe(status.migrations.needed)
    expect(Object.fromEntries(status.checks.map(({ check, ok }) => [check, ok]))).toMatchObject({
      migrations: true,
      roles_separated: true,
      partitions: true,
      clock: true
    })
    await inDatabase("first", "INSERT INTO accounts (user_id) SELECT 'u' || n FROM generate_series(1, 20000) AS n")
    await inDatabase("first", "ANALYZE accounts")
    const { totals } = await withToken(await tokenFor("admin", "first")).merchant.status({})
    expect(totals.exact).toBe(false)
    expect(totals.accounts).toBeGreaterThan(18_000)
    expect(totals.accounts).toBeLessThan(22_000)
    expect(await refusal(withToken(await tokenFor("app", "first")).merchant.status({}))).toMatchObject({
      _tag: "Forbidden"
    })
  })

  it("in the same state after a kill at any step and a repeat with the same key", async () => {
    const merchantOf = (step: string) => `die-${step}`
    const die = async (step: string, key: string) => {
      const child = spawn(process.execPath, ["--conditions=source", dieAfterStep, merchantOf(step), key, step], {
        env: { PATH: process.env.PATH ?? "", JWT_SECRET, ...environment },
        stdio: ["ignore", "ignore", "inherit"]
      })
      return new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_, signal) => resolve(signal)))
    }
    const settings = { legalName: "Ann's Pens" }
    const places = [...steps, "answer"]
    const survived = async (step: string) => {
      const key = randomUUID()
      expect(await die(step, key)).toBe("SIGKILL")
      // The lease of who was killed runs out; until then the answer is that somebody is at it.
      const elements = await until("RequestInProgress", () =>
        collect(client.merchant.onboard({ merchantId: merchantOf(step), settings }, { idempotencyKey: key }))
      )
      const { meta, token } = resultOf(elements)
      expect(meta.replayed).toBe(step === "answer")
      expect((await withToken(token?.token ?? "").getUserBalance({ userId: "ann" })).balance).toBe(0)
      return { step, state: await stateOf(merchantOf(step)) }
    }
    const [first, ...rest] = places
    const whole = await survived(first ?? "")
    for (let next = 0; next < rest.length; next += 3) {
      for (const { state, step } of await Promise.all(rest.slice(next, next + 3).map(survived))) {
        expect({ step, state }).toEqual({ step, state: whole.state })
      }
    }
    expect(whole.state.keys).toEqual([{ command_type: "Merchant.Onboard", state: "SUCCEEDED", released: true }])
    expect(whole.state.audited).toHaveLength(1)
  })

  /** Asks again for as long as it is refused in this one way. */
  const until = async <A>(passing: string, ask: () => Promise<A>): Promise<A> => {
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        if (!isCreditError(error) || error._tag !== passing) throw error
      }
    }
  }
})
