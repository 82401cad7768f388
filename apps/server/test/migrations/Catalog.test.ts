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
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

const rate = (code: string, from: string, to: string | null = null, credits = "0.57") =>
  [
    `INSERT INTO public.operation_types (operation_type_id, operation_type_code, resource_unit, credits_per_unit, effective_at, archived_at)
   VALUES (gen_random_uuid(), $1, 'K_TOKENS', $4::numeric, $2::timestamptz, $3::timestamptz)`,
    [code, `${from}Z`, to === null ? null : `${to}Z`, credits]
  ] as const

describe("versions of a rate", () => {
  it("follow one another without overlap: the end of one is the start of the next", async () => {
    await runtime.query(...rate("tokens", "2026-01-01", "2026-02-01"))
    await runtime.query(...rate("tokens", "2026-02-01"))
    for (const [from, to] of [
      ["2026-01-15", "2026-01-20"],
      ["2025-01-01", "2026-01-01T00:00:00.001"],
      ["2026-01-31T23:59:59.999", null],
      ["2030-01-01", null],
      ["2020-01-01", null]
    ] as const) {
      expect(await runtime.refusal(...rate("tokens", from, to)), from).toMatchObject({
        code: "23P01",
        constraint: "operation_types_no_overlap"
      })
    }
    await runtime.query(...rate("tokens", "2025-01-01", "2026-01-01"))
    await runtime.query(...rate("TOKENS", "2026-01-01"))
  })

  it("have one unit: another unit is another code", async () => {
    await runtime.query(...rate("units", "2026-01-01", "2026-02-01"))
    const other = `INSERT INTO public.operation_types (operation_type_id, operation_type_code, resource_unit, credits_per_unit, effective_at)
      VALUES (gen_random_uuid(), $1, 'TOKENS', 1, '2026-03-01Z')`
    expect(await runtime.refusal(other, ["units"])).toMatchObject({
      code: "23P01",
      constraint: "operation_types_one_unit"
    })
    await runtime.query(other, ["other-units"])
  })

  it("two writers at once: one version is taken", async () => {
    const sessions = await Promise.all(Array.from({ length: 4 }, () => openSession(database.runtimeUrl)))
    const outcomes = await Promise.allSettled(sessions.map((session) => session.query(...rate("raced", "2026-01-01"))))
    await Promise.all(sessions.map((session) => session.close()))
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1)
  })

  it("are archived once and followed, never edited or removed", async () => {
    await runtime.query(...rate("calls", "2026-01-01"))
    const archive =
      "UPDATE public.operation_types SET archived_at = $1::timestamptz WHERE operation_type_code = 'calls'"
    expect(await runtime.refusal(archive, ["2026-01-01T00:00:00Z"])).toMatchObject({ code: "23514" })
    await runtime.query(archive, ["2026-03-01T00:00:00Z"])
    expect(await runtime.refusal(archive, ["2026-04-01T00:00:00Z"])).toMatchObject({ code: "CR003" })
    expect(await runtime.refusal(archive, [null])).toMatchObject({ code: "CR003" })
    for (const sql of [
      "UPDATE public.operation_types SET credits_per_unit = 1",
      "UPDATE public.operation_types SET effective_at = effective_at",
      "DELETE FROM public.operation_types",
      "TRUNCATE public.operation_types"
    ]) {
      expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003" })
      expect(await runtime.refusal(sql), sql).toMatchObject({ code: "42501" })
    }
  })
})

const product = (code: string, changes: Readonly<Record<string, string | null>> = {}) => {
  const values: Record<string, string | null> = {
    product_code: code,
    title: "Starter",
    credits: "100",
    access_period_days: "30",
    distribution: "sellable",
    grant_policy: null,
    effective_at: "2026-01-01T00:00:00Z",
    ...changes
  }
  return [
    `INSERT INTO public.products (
       product_code, title, credits, access_period_days, distribution, grant_policy, effective_at, archived_at)
     SELECT * FROM json_to_record($1::json) AS p (product_code text, title text, credits bigint, access_period_days integer,
       distribution text, grant_policy text, effective_at timestamptz, archived_at timestamptz)`,
    [JSON.stringify(values)]
  ] as const
}

describe("products", () => {
  it("are sold, or given away by a policy", async () => {
    await runtime.query(...product("starter"))
    await runtime.query(...product("welcome", { distribution: "grant", grant_policy: "apply_on_signup" }))
    for (const changes of [
      { distribution: "grant" },
      { grant_policy: "manual" },
      { distribution: "gift" },
      { distribution: "grant", grant_policy: "always" },
      { credits: "0" },
      { access_period_days: "0" },
      { access_period_days: "36501" },
      { title: "" }
    ]) {
      expect(await runtime.refusal(...product("wrong", changes)), JSON.stringify(changes)).toMatchObject({
        code: "23514"
      })
    }
    expect(await runtime.refusal(...product("starter"))).toMatchObject({ code: "23505", constraint: "products_pkey" })
  })

  it("are archived, never edited or removed; what was archived stays so", async () => {
    await runtime.query(...product("pro"))
    const archive = "UPDATE public.products SET archived_at = $1::timestamptz WHERE product_code = 'pro'"
    await runtime.query(archive, ["2100-01-01T00:00:00Z"])
    await runtime.query(archive, ["2099-01-01T00:00:00Z"])
    expect(await runtime.refusal(archive, [null])).toMatchObject({ code: "CR003" })
    await runtime.query("UPDATE public.products SET archived_at = app.now() WHERE product_code = 'pro'")
    expect(await runtime.refusal(archive, ["2100-01-01T00:00:00Z"])).toMatchObject({ code: "CR003" })
    for (const sql of [
      "UPDATE public.products SET credits = 1",
      "UPDATE public.products SET title = title",
      "DELETE FROM public.products",
      "TRUNCATE public.products CASCADE"
    ]) {
      expect(await owner.refusal(sql), sql).toMatchObject({ code: "CR003" })
      expect(await runtime.refusal(sql), sql).toMatchObject({ code: "42501" })
    }
  })

  it("are given on sign-up one at a time; one that was archived before it began never was", async () => {
    const signup = (code: string, from: string, to: string | null = null) =>
      product(code, { distribution: "grant", grant_policy: "apply_on_signup", effective_at: from, archived_at: to })
    const archive = "UPDATE public.products SET archived_at = $2::timestamptz WHERE product_code = $1"
    const clash = { code: "23P01", constraint: "products_one_for_sign_up" }
    expect(await runtime.refusal(...signup("second", "2099-01-01Z"))).toMatchObject(clash)
    await runtime.query(archive, ["welcome", "2100-01-01Z"])
    expect(await runtime.refusal(...signup("second", "2099-12-31Z"))).toMatchObject(clash)
    await runtime.query(...signup("second", "2100-01-01Z"))
    expect(await runtime.refusal(archive, ["welcome", "2100-01-01T00:00:00.001Z"])).toMatchObject(clash)
    await runtime.query(archive, ["second", "2099-01-01Z"])
    await runtime.query(...signup("third", "2100-01-01Z"))
  })

  it("have one price per country, in a currency, with at most 4 decimals", async () => {
    await runtime.query(...product("priced"))
    const price = "INSERT INTO public.product_prices VALUES ('priced', $1, $2, $3::numeric)"
    await runtime.query(price, ["*", "USD", "9.99"])
    await runtime.query(price, ["AM", "AMD", "29900.00"])
    expect(await runtime.refusal(price, ["AM", "USD", "1"])).toMatchObject({ code: "23505" })
    for (const wrong of [
      ["am", "USD", "1"],
      ["ARM", "USD", "1"],
      ["", "USD", "1"],
      ["DE", "usd", "1"],
      ["DE", "EURO", "1"],
      ["DE", "EUR", "-1"],
      ["DE", "EUR", "1.00001"],
      ["DE", "EUR", "NaN"]
    ]) {
      expect(await runtime.refusal(price, wrong), JSON.stringify(wrong)).toMatchObject({ code: "23514" })
    }
    expect(await runtime.refusal("INSERT INTO public.product_prices VALUES ('unknown', '*', 'USD', 1)")).toMatchObject({
      code: "23503"
    })
  })
})
