import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import {
  blockedBy,
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"

let database: MerchantDatabase
let owner: Session
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

interface Numbered {
  readonly year: number
  readonly number: number
  readonly issuedAt?: string
  readonly receiptNumber?: string
}

const insert = `
INSERT INTO public.receipts (receipt_number, year, number, external_ref, user_id, lot_id, issued_at, snapshot)
SELECT coalesce(r."receiptNumber", 'R' || app.receipt_suffix(r.year, r.number)), r.year, r.number,
  gen_random_uuid()::text, 'user', gen_random_uuid(),
  coalesce(r."issuedAt", make_timestamptz(r.year, 6, 1, 0, 0, 0, 'UTC')), '{}'
FROM json_to_recordset($1::json) AS r (year integer, number bigint, "issuedAt" timestamptz, "receiptNumber" text)`

const issue = (...numbers: ReadonlyArray<Numbered>) => runtime.query(insert, [JSON.stringify(numbers)])
const refused = (...numbers: ReadonlyArray<Numbered>) => runtime.refusal(insert, [JSON.stringify(numbers)])
const counter = async () => {
  const [row] = await runtime.query("SELECT year, last_number::integer AS last FROM public.receipt_counter")
  return row
}

describe("receipt numbers", () => {
  // Each test takes a year of its own, later than those before it.
  let year = 2025
  beforeEach(() => {
    year += 2
  })

  it("go 1, 2, 3… within a year, singly or many at once, in any order of rows", async () => {
    await issue({ year, number: 1 })
    await issue({ year, number: 4 }, { year, number: 2 }, { year, number: 3 })
    await issue({ year, number: 5 })
    expect(await counter()).toEqual({ year, last: 5 })
  })

  it("begin again at 1 with a new year, also within one batch", async () => {
    await issue({ year, number: 1 }, { year, number: 2 })
    await issue({ year, number: 3 }, { year: year + 1, number: 1 }, { year: year + 1, number: 2 })
    expect(await counter()).toEqual({ year: year + 1, last: 2 })
  })

  it("have no gap: between two batches, within one, at the start of a year", async () => {
    await issue({ year, number: 1 })
    for (const wrong of [
      [{ year, number: 3 }],
      [
        { year, number: 2 },
        { year, number: 4 }
      ],
      [{ year: year + 1, number: 2 }],
      [
        { year, number: 2 },
        { year: year + 1, number: 2 }
      ]
    ]) {
      expect(await refused(...wrong)).toMatchObject({ code: "CR001" })
    }
    expect(await counter()).toEqual({ year, last: 1 })
  })

  it("are given once, and never in a year that is over", async () => {
    await issue({ year, number: 1 })
    expect(await refused({ year, number: 1 })).toMatchObject({ code: "23505" })
    expect(await refused({ year: year - 1, number: 99 })).toMatchObject({
      code: "CR001",
      message: `a receipt number does not follow: ${year - 1} is over, receipts are numbered in ${year}`
    })
  })

  it("leave no gap when a purchase is rolled back", async () => {
    await runtime.query("BEGIN")
    await issue({ year, number: 1 })
    await runtime.query("ROLLBACK")
    await issue({ year, number: 1 })
    expect(await counter()).toEqual({ year, last: 1 })
  })

  it("are not cut: the ten thousandth has five digits", async () => {
    const many = Array.from({ length: 10_001 }, (_, index) => ({ year, number: index + 1 }))
    await issue(...many)
    const last = await runtime.query(
      "SELECT receipt_number FROM public.receipts WHERE year = $1::integer AND number IN (9, 9999, 10000, 10001) ORDER BY number",
      [year]
    )
    expect(last.map((row) => row.receipt_number)).toEqual([
      `R-${year}-0009`,
      `R-${year}-9999`,
      `R-${year}-10000`,
      `R-${year}-10001`
    ])
  })

  it("say the year and number they have", async () => {
    for (const receiptNumber of [
      `R-${year}-0002`,
      `R-${year}-1`,
      `R-${year - 1}-0001`,
      `-${year}-0001`,
      `r-${year}-0001`
    ]) {
      expect(await refused({ year, number: 1, receiptNumber })).toMatchObject({
        code: "23514",
        constraint: "receipts_number_form"
      })
    }
    await issue({ year, number: 1, receiptNumber: `ACME-SHOP-7-${year}-0001` })
  })

  it("turn with the year of UTC, whatever the session's time zone", async () => {
    await runtime.query("SET timezone = 'Pacific/Kiritimati'")
    await issue({ year, number: 1, issuedAt: `${year}-12-31T23:59:59.999Z` })
    expect(await refused({ year, number: 2, issuedAt: `${year + 1}-01-01T00:00:00.000Z` })).toMatchObject({
      code: "23514",
      constraint: "receipts_year_begun"
    })
    await runtime.query("SET timezone = 'America/New_York'")
    await issue({ year: year + 1, number: 1, issuedAt: `${year + 1}-01-01T00:00:00.000Z` })
    // An account whose time is still in the old year: the new one has begun and goes on.
    await issue({ year: year + 1, number: 2, issuedAt: `${year}-12-31T23:59:59.999Z` })
    await runtime.query("RESET timezone")
  })

  it("race for real: of 6 writers that take the same number without a lock one gets it, each time", async () => {
    const sessions = await Promise.all(Array.from({ length: 6 }, () => openSession(database.runtimeUrl)))
    try {
      for (let number = 1; number <= 10; number++) {
        const outcomes = await Promise.allSettled(
          sessions.map((session, index) =>
            session.query(insert, [
              JSON.stringify([{ year, number, receiptNumber: `R${index}-${year}-${`${number}`.padStart(4, "0")}` }])
            ])
          )
        )
        expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
        expect(await counter()).toEqual({ year, last: number })
      }
    } finally {
      await Promise.all(sessions.map((session) => session.close()))
    }
  })

  it("of an old year are refused, to be tried again, when another writer has just begun the new one", async () => {
    await issue({ year, number: 1 })
    const [one, two] = await Promise.all([openSession(database.runtimeUrl), openSession(database.runtimeUrl)])
    await one.query("BEGIN")
    await one.query(insert, [JSON.stringify([{ year: year + 1, number: 1 }])])
    const waiting = two.refusal(insert, [JSON.stringify([{ year, number: 2 }])])
    await blockedBy(runtime, two, one)
    await one.query("COMMIT")
    expect(await waiting).toMatchObject({
      code: "CR001",
      message: "a receipt number does not follow: another writer took it meanwhile"
    })
    await Promise.all([one.close(), two.close()])
    expect(await counter()).toEqual({ year: year + 1, last: 1 })
  })

  it("are counted by the receipts alone: the counter never goes back, nor away", async () => {
    await issue({ year, number: 1 })
    for (const sql of [
      "UPDATE public.receipt_counter SET last_number = 0",
      "UPDATE public.receipt_counter SET year = year - 1",
      "DELETE FROM public.receipt_counter",
      "TRUNCATE public.receipt_counter"
    ]) {
      expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003" })
    }
    expect(
      await owner.refusal("INSERT INTO public.receipt_counter (id, year, last_number) VALUES (false, 1, 1)")
    ).toMatchObject({
      code: "23514"
    })
  })
})

describe("identities that stand for ever", () => {
  const purchase = (externalRef: string, userId: string) =>
    [
      `INSERT INTO public.purchases (external_ref, user_id, product_code, lot_id, receipt_number, credits, country,
       currency, amount, order_placed_at, settled_at, purchased_at)
     SELECT $1, $2, 'starter', $3::uuid, 'R-2026-0001', 100, 'AM', 'USD', 9.99, t, t, t FROM app.now() AS t`,
      [externalRef, userId, randomUUID()]
    ] as const

  it("a payment reference buys once, whoever comes with it", async () => {
    await runtime.query(...purchase("pay-1", "user"))
    expect(await runtime.refusal(...purchase("pay-1", "user"))).toMatchObject({
      code: "23505",
      constraint: "purchases_pkey"
    })
    expect(await runtime.refusal(...purchase("pay-1", "other"))).toMatchObject({
      code: "23505",
      constraint: "purchases_pkey"
    })
    await runtime.query(...purchase("PAY-1", "user"))
  })

  it("a purchase has one receipt", async () => {
    const [row] = await runtime.query("SELECT year, last_number::integer AS last FROM public.receipt_counter")
    const year = Number(row?.year)
    const receipt = (number: number) =>
      [
        `INSERT INTO public.receipts (receipt_number, year, number, external_ref, user_id, lot_id, issued_at, snapshot)
       VALUES ('R' || app.receipt_suffix($1::integer, $2::bigint), $1::integer, $2::bigint, 'pay-2', 'user', gen_random_uuid(),
         make_timestamptz($1::integer, 1, 1, 0, 0, 0, 'UTC'), '{}')`,
        [year, number]
      ] as const
    await runtime.query(...receipt(Number(row?.last) + 1))
    expect(await runtime.refusal(...receipt(Number(row?.last) + 2))).toMatchObject({
      code: "23505",
      constraint: "receipts_one_per_purchase"
    })
  })

  it("a welcome grant is given once per user, also when 8 ask at once", async () => {
    const grant = "INSERT INTO public.grants_once VALUES ('newcomer', 'welcome', gen_random_uuid(), app.now())"
    const sessions = await Promise.all(Array.from({ length: 8 }, () => openSession(database.runtimeUrl)))
    const outcomes = await Promise.allSettled(sessions.map((session) => session.query(grant)))
    await Promise.all(sessions.map((session) => session.close()))
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
    expect(await runtime.refusal(grant)).toMatchObject({ code: "23505", constraint: "grants_once_pkey" })
    await runtime.query("INSERT INTO public.grants_once VALUES ('another', 'welcome', gen_random_uuid(), app.now())")
  })
})
