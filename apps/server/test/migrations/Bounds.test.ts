import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addFundedAccount, addLot, type Entry, follow, insertEntries, rows } from "./Ledger.ts"

let database: MerchantDatabase
let runtime: Session
let funded: Awaited<ReturnType<typeof addFundedAccount>>
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  runtime = await openSession(database.runtimeUrl)
  funded = await addFundedAccount(runtime, "user", 100)
})
afterAll(async () => {
  await runtime.close()
  await database.drop()
})

const accepts = async (domain: string, value: string) => {
  const [row] = await runtime.query(`SELECT ($1::text)::${domain}::text AS value`, [value])
  return row?.value
}
const refuses = (domain: string, value: string) => runtime.refusal(`SELECT ($1::text)::${domain}`, [value])

describe("the domains", () => {
  it.each([
    ["app.user_id", "A-Za.z_0:9@x|y"],
    ["app.user_id", "u".repeat(128)],
    ["app.code", "!~".repeat(100)],
    ["app.idempotency_key", "k".repeat(255)],
    ["app.credits", "9007199254740991"],
    ["app.credits", "-9007199254740991"],
    ["app.resource_amount", "0"],
    ["app.resource_amount", "999999999999.999999"],
    ["app.resource_amount", "1.500000000"],
    ["app.rate", "0.000001"],
    ["app.rate", "999999999.999999"],
    ["app.money", "0"],
    ["app.money", "999999999999.9999"],
    ["app.instant", "2026-01-01 00:00:00.001+00"]
  ])("%s takes %s", async (domain, value) => {
    await expect(accepts(domain, value)).resolves.toBeTypeOf("string")
  })

  it.each([
    ["app.user_id", ""],
    ["app.user_id", "u".repeat(129)],
    ["app.user_id", "a b"],
    ["app.user_id", "user\n"],
    ["app.user_id", "\u00e9"],
    ["app.user_id", "a/b"],
    ["app.code", ""],
    ["app.code", "c".repeat(201)],
    ["app.code", "a b"],
    ["app.code", "caf\u00e9"],
    ["app.code", "a\n"],
    ["app.code", "\u007f"],
    ["app.idempotency_key", "k".repeat(256)],
    ["app.credits", "9007199254740992"],
    ["app.credits", "-9007199254740992"],
    ["app.resource_amount", "NaN"],
    ["app.resource_amount", "Infinity"],
    ["app.resource_amount", "-0.000001"],
    ["app.resource_amount", "1000000000000"],
    ["app.resource_amount", "0.0000001"],
    ["app.rate", "NaN"],
    ["app.rate", "Infinity"],
    ["app.rate", "0"],
    ["app.rate", "-1"],
    ["app.rate", "1000000000"],
    ["app.rate", "1.1234567"],
    ["app.money", "NaN"],
    ["app.money", "-0.01"],
    ["app.money", "1000000000000"],
    ["app.money", "0.00001"],
    ["app.instant", "2026-01-01 00:00:00.0001+00"],
    ["app.instant", "infinity"],
    ["app.instant", "-infinity"]
  ])("%s refuses %j, and rounds or cuts nothing", async (domain, value) => {
    expect(await refuses(domain, value)).toMatchObject({ code: "23514" })
  })

  it("a hash has 32 octets", async () => {
    await runtime.query("SELECT sha256('')::app.hash")
    expect(await runtime.refusal("SELECT '\\x00'::app.hash")).toMatchObject({ code: "23514" })
  })
})

describe("an entry", () => {
  const refusal = (changes: Partial<Entry>) => {
    const [entry] = follow(funded.head, { amount: -1, lotId: funded.lotId, createdAt: funded.createdAt }, changes)
    return runtime.refusal(insertEntries, rows(entry))
  }

  it.each<[string, Partial<Entry>, string]>([
    ["amount 0", { amount: 0, balanceAfter: 100 }, "ledger_entries_amount"],
    ["credits beyond 2^53 − 1", { amount: -(2 ** 53) }, "credits_bounds"],
    ["seq 0", { seq: 0 }, "ledger_entries_seq"],
    ["NaN of a resource", { resourceAmount: "NaN" }, "ledger_entries_resource_amount"],
    ["less than none of a resource", { resourceAmount: "-1" }, "ledger_entries_resource_amount"],
    ["10^16 of a resource", { resourceAmount: "10000000000000000" }, "ledger_entries_resource_amount"],
    ["7 decimals of a resource", { resourceAmount: "1.1234567" }, "ledger_entries_resource_amount"],
    ["a rate of NaN", { capturedRate: "NaN" }, "rate_bounds"],
    ["a rate with 7 decimals", { capturedRate: "0.1234567" }, "rate_bounds"],
    ["no operation type", { operationType: "" }, "ledger_entries_operation_type"],
    ["no unit", { resourceUnit: "" }, "ledger_entries_resource_unit"],
    ["a note of 2001 characters", { note: "x".repeat(2001) }, "ledger_entries_note"],
    ["an actor of 201 characters", { actor: "x".repeat(201) }, "ledger_entries_actor"],
    ["a workflow id of 201 characters", { workflowId: "x".repeat(201) }, "ledger_entries_workflow_id"],
    ["an unknown reason", { reason: "gift" }, "ledger_entries_reason"],
    ["a user id that is none", { userId: "a b" }, "user_id_form"]
  ])("is refused: %s", async (_, changes, constraint) => {
    expect(await refusal(changes)).toMatchObject({ code: "23514", constraint })
  })

  it("became true when it was written down; an expiry possibly earlier, none later", async () => {
    const { createdAt } = funded
    for (const [reason, effectiveAt] of [
      ["debit", createdAt - 1],
      ["debit", createdAt + 1],
      ["expiry", createdAt + 1]
    ] as const) {
      expect(await refusal({ reason, effectiveAt })).toMatchObject({
        code: "23514",
        constraint: "ledger_entries_effective"
      })
    }
  })

  it("has a sign and a lot that go with its reason", async () => {
    const { createdAt } = funded
    const lotId = await addLot(runtime, "user", 1000, createdAt)
    const issuing = ["purchase", "welcome", "promo", "manual", "reinstatement"]
    const wrong: ReadonlyArray<[string, number, string | null]> = [
      ...issuing.map((reason): [string, number, string | null] => [reason, -1, lotId]),
      ...issuing.map((reason): [string, number, string | null] => [reason, 1, null]),
      ["debit", 1, lotId],
      ["debit", 1, null],
      ["refund", 1, lotId],
      ["chargeback", 1, lotId],
      ["expiry", 1, lotId],
      ["expiry", -1, null],
      ["adjustment", 1, null],
      ["settlement", 1, lotId],
      ["settlement", -1, null]
    ]
    for (const [reason, amount, lot] of wrong) {
      const [entry] = follow(funded.head, { reason, amount, lotId: lot, createdAt })
      expect(await runtime.refusal(insertEntries, rows(entry)), reason).toMatchObject({
        code: "23514",
        constraint: "ledger_entries_reason"
      })
    }
  })
})

describe("a lot", () => {
  const insert = `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
    SELECT $1::uuid, $2, $3, $4::bigint, t, t + $5::interval FROM app.now() AS t`

  it.each([
    ["of nothing", ["user", "manual", "0", "1 hour"], "23514"],
    ["of less than nothing", ["user", "manual", "-1", "1 hour"], "23514"],
    ["of more than 2^53 − 1", ["user", "manual", "9007199254740992", "1 hour"], "23514"],
    ["that expires as it is issued", ["user", "manual", "1", "0"], "23514"],
    ["from an unknown source", ["user", "debit", "1", "1 hour"], "23514"],
    ["of an account that does not exist", ["nobody", "manual", "1", "1 hour"], "23503"]
  ])("is refused: %s", async (_, values, code) => {
    expect(await runtime.refusal(insert, [randomUUID(), ...values])).toMatchObject({ code })
  })
})
