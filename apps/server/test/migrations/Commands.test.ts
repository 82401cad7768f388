import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"

let database: MerchantDatabase
let owner: Session
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

const claim = (key: string, state: string, response: string | null = null, lease: string | null = null) =>
  [
    `INSERT INTO public.idempotency_tracking
     (command_type, idempotency_key, state, fingerprint, contract_version, response, transaction_id, claimed_at, expires_at, lease_until)
   SELECT 'Operation.Open', $1, $2, sha256(''), 1, $3, gen_random_uuid(), t, t + interval '168 hours', t + $4::interval
   FROM app.now() AS t`,
    [key, state, response, lease]
  ] as const

const set = (key: string, assignment: string) =>
  [`UPDATE public.idempotency_tracking SET ${assignment} WHERE idempotency_key = $1`, [key]] as const

describe("the record of a key", () => {
  it.each(["SUCCEEDED", "FAILED_FINAL"])("%s stands until it expires, for owner and runtime", async (state) => {
    const key = `final-${state}`
    await runtime.query(...claim(key, state, "{}"))
    for (const assignment of [
      "state = 'FAILED_RETRIABLE'",
      "response = 'other'",
      "expires_at = claimed_at + interval '1 hour'"
    ]) {
      expect(await runtime.refusal(...set(key, assignment))).toMatchObject({ code: "CR003" })
      expect(await owner.refusal(...set(key, assignment))).toMatchObject({ code: "CR003" })
    }
    const remove = "DELETE FROM public.idempotency_tracking WHERE idempotency_key = $1"
    expect(await owner.refusal(remove, [key])).toMatchObject({ code: "CR003" })
    expect(await owner.refusal("TRUNCATE public.idempotency_tracking")).toMatchObject({ code: "CR003" })
  })

  it("may be claimed again once it has expired by the merchant's clock, and removed", async () => {
    await runtime.query(...claim("expiring", "SUCCEEDED", "{}"))
    await runtime.query(...claim("removed", "FAILED_FINAL", "{}"))
    const upsert = `${claim("expiring", "SUCCEEDED")[0]}
      ON CONFLICT (command_type, idempotency_key) DO UPDATE SET response = excluded.response, claimed_at = excluded.claimed_at,
        expires_at = excluded.expires_at WHERE idempotency_tracking.expires_at <= app.now()
      RETURNING response`
    const values = ["expiring", "SUCCEEDED", "second", null]
    expect(await runtime.query(upsert, values)).toEqual([])
    await runtime.query("UPDATE public.merchant_settings SET clock_offset_hours = clock_offset_hours + 168")
    expect(await runtime.query(upsert, values)).toEqual([{ response: "second" }])
    await owner.query("DELETE FROM public.idempotency_tracking WHERE idempotency_key = 'removed'")
  })

  it("FAILED_RETRIABLE and PENDING go on to a final state", async () => {
    await runtime.query(...claim("retried", "FAILED_RETRIABLE"))
    await runtime.query(...set("retried", "state = 'SUCCEEDED', response = '{}'"))
    await runtime.query(...claim("leased", "PENDING", null, "30 seconds"))
    await runtime.query(...set("leased", "fence = fence + 1"))
    await runtime.query(...set("leased", "state = 'FAILED_FINAL', response = '{}', lease_until = NULL"))
  })

  it("is refused without what belongs to its state", async () => {
    for (const wrong of [
      claim("wrong", "DONE"),
      claim("wrong", "SUCCEEDED"),
      claim("wrong", "FAILED_FINAL"),
      claim("wrong", "PENDING"),
      claim("a b", "FAILED_RETRIABLE"),
      claim("", "FAILED_RETRIABLE"),
      claim("k".repeat(256), "FAILED_RETRIABLE")
    ]) {
      expect(await runtime.refusal(...wrong)).toMatchObject({ code: "23514" })
    }
  })

  it("keeps the response to the letter", async () => {
    const response = '{"b":1e2,  "a":1,"a":2}'
    await runtime.query(...claim("letter", "SUCCEEDED", response))
    expect(
      await runtime.query("SELECT response FROM public.idempotency_tracking WHERE idempotency_key = 'letter'")
    ).toEqual([{ response }])
  })

  it("is one per command and key", async () => {
    await runtime.query(...claim("twice", "FAILED_RETRIABLE"))
    expect(await runtime.refusal(...claim("twice", "FAILED_RETRIABLE"))).toMatchObject({
      code: "23505",
      constraint: "idempotency_tracking_pkey"
    })
    expect(await owner.refusal(...set("twice", "idempotency_key = 'thrice'"))).toMatchObject({ code: "CR003" })
  })
})

describe("a statement that must write so many rows", () => {
  it("is refused when it wrote others", async () => {
    expect(await runtime.query("SELECT app.expect_rows(2, 2) AS met")).toEqual([{ met: true }])
    expect(await runtime.refusal("SELECT app.expect_rows(1, 2)")).toMatchObject({ code: "CR005" })
  })
})
