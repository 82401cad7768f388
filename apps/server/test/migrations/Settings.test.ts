import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"

let shop: MerchantDatabase
let sandbox: MerchantDatabase
let shopOwner: Session
let shopRuntime: Session
let sandboxRuntime: Session
beforeAll(async () => {
  shop = await createMerchantDatabase(inject("adminUrl"), { merchantId: "acme-corp" })
  sandbox = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
  shopOwner = await openSession(shop.ownerUrl)
  shopRuntime = await openSession(shop.runtimeUrl)
  sandboxRuntime = await openSession(sandbox.runtimeUrl)
})
afterAll(async () => {
  await Promise.all([shopOwner.close(), shopRuntime.close(), sandboxRuntime.close()])
  await Promise.all([shop.drop(), sandbox.drop()])
})

describe("a merchant's database", () => {
  it("belongs to one merchant: the same may be said again, another is refused", async () => {
    await shopOwner.query("SELECT app.initialise_merchant('acme-corp', false)::text")
    expect(await shopOwner.refusal("SELECT app.initialise_merchant('acme', false)")).toMatchObject({
      code: "CR004",
      message: "this database belongs to merchant acme-corp, not to acme"
    })
    expect(await shopOwner.refusal("SELECT app.initialise_merchant('acme-corp', true)")).toMatchObject({
      code: "CR004"
    })
  })

  it("keeps its merchant, its kind and its one row", async () => {
    for (const sql of [
      "UPDATE public.merchant_settings SET merchant_id = 'acme'",
      "UPDATE public.merchant_settings SET sandbox = true",
      "DELETE FROM public.merchant_settings",
      "TRUNCATE public.merchant_settings",
      "DELETE FROM public.service_status"
    ]) {
      expect(await shopOwner.refusal(sql), sql).toMatchObject({ code: "CR003" })
    }
    expect(
      await shopOwner.refusal("INSERT INTO public.merchant_settings (id, merchant_id) VALUES (false, 'acme')")
    ).toMatchObject({
      code: "23514"
    })
  })

  it("takes the settings a merchant may have, and no others", async () => {
    await shopRuntime.query(
      `UPDATE public.merchant_settings SET legal_name = 'Acme LLC', tax_regime = 'vat', tax_rate = 20, receipt_prefix = 'ACME-7',
         operation_timeout_minutes = 5, operation_timeout_max_minutes = 10, late_close_hours = 0, max_open_operations = 1,
         consumption_order = 'expiring_first', updated_at = app.now()`
    )
    for (const wrong of [
      "receipt_prefix = ''",
      "receipt_prefix = 'acme'",
      "receipt_prefix = 'ABCDEFGHIJKLMNOPQRSTU'",
      "tax_regime = 'gst'",
      "tax_rate = 'NaN'",
      "tax_rate = -1",
      "tax_rate = 100.0001",
      "tax_rate = 1.00001",
      "tax_rate = NULL",
      "operation_timeout_minutes = 0",
      "operation_timeout_minutes = 11",
      "late_close_hours = -1",
      "max_open_operations = 0",
      "consumption_order = 'newest_first'"
    ]) {
      expect(await shopRuntime.refusal(`UPDATE public.merchant_settings SET ${wrong}`), wrong).toMatchObject({
        code: "23514"
      })
    }
  })

  it("is ready or in maintenance", async () => {
    await shopRuntime.query(
      "UPDATE public.service_status SET status = 'maintenance', reason = 'upgrade', until = app.now(), updated_at = app.now()"
    )
    expect(await shopRuntime.refusal("UPDATE public.service_status SET status = 'paused'")).toMatchObject({
      code: "23514"
    })
  })
})

describe("the merchant's clock", () => {
  const offset = async (session: Session) => {
    const [row] = await session.query(
      "SELECT extract(epoch FROM app.now() - clock_timestamp())::float8 / 3600 AS hours"
    )
    return Number(row?.hours)
  }

  it("is the database's, in whole milliseconds", async () => {
    expect(await offset(shopRuntime)).toBeCloseTo(0, 3)
    await shopRuntime.query("SELECT app.now()::app.instant")
  })

  it("moves ahead in a sandbox only, and forward only", async () => {
    const move = (hours: number) => `UPDATE public.merchant_settings SET clock_offset_hours = ${hours}`
    await sandboxRuntime.query(move(8760))
    expect(await offset(sandboxRuntime)).toBeCloseTo(8760, 3)
    expect(await sandboxRuntime.refusal(move(8759))).toMatchObject({ code: "CR003" })
    expect(await sandboxRuntime.refusal(move(-1))).toMatchObject({ code: "CR003" })
    expect(await sandboxRuntime.refusal(move(1_000_001))).toMatchObject({ code: "23514" })
    expect(await shopRuntime.refusal(move(1))).toMatchObject({ code: "23514" })
    expect(await shopOwner.refusal(move(1))).toMatchObject({ code: "23514" })
  })

  it("is the same in every time zone of a session, through a year's changes of daylight saving", async () => {
    for (const hours of [8760, 10_944, 13_128, 15_312, 17_496]) {
      await sandboxRuntime.query("UPDATE public.merchant_settings SET clock_offset_hours = $1::integer", [hours])
      for (const zone of ["UTC", "America/New_York", "Pacific/Chatham", "Asia/Kolkata"]) {
        await sandboxRuntime.query(`SET timezone = '${zone}'`)
        expect(await offset(sandboxRuntime), `${hours} in ${zone}`).toBeCloseTo(hours, 3)
      }
    }
    await sandboxRuntime.query("RESET timezone")
  })
})
