import type { Worker } from "@credit/server/commands/Worker"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { type Answer, at, type Fixture, makeFixture } from "../commands/Fixture.ts"

describe("Receipt numbers", () => {
  let fixture: Fixture
  let servers: ReadonlyArray<Worker>
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"), { sandbox: true })
    servers = await Promise.all([fixture.makeWorker(), fixture.makeWorker(), fixture.makeWorker()])
  })
  afterAll(() => fixture.close())

  /** Purchases of users of their own, spread over the servers, all at once. */
  const buy = (name: string, count: number): ReadonlyArray<Promise<Answer>> =>
    Array.from({ length: count }, (_, index) => {
      const server = servers[index % servers.length]
      if (server === undefined) throw new Error("There is no such server")
      return fixture.runOn(server, "Purchase.Settled", purchaseOf(`${name}-${index}`, `pay-${name}-${index}`))
    })
  const numbersOf = (answers: ReadonlyArray<Answer>) =>
    answers.flatMap(({ value }) => (value === undefined ? [] : [String(at(value, "receipt", "receiptNumber"))])).sort()
  const sequence = (year: number, from: number, count: number) =>
    Array.from({ length: count }, (_, index) => `R-${year}-${`${from + index}`.padStart(4, "0")}`)
  const yearOf = async () => {
    const [row] = await fixture.owner.query("SELECT extract(year FROM app.now() AT TIME ZONE 'UTC')::int AS year")
    return Number(row?.year)
  }

  it("have no gap when servers sell at once, when purchases are refused, and when the database rolls some back", async () => {
    await fixture.owner.query(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$`)
    await fixture.owner.query(`CREATE TRIGGER poison BEFORE INSERT ON receipts FOR EACH ROW
      WHEN (NEW.user_id = 'poison') EXECUTE FUNCTION refuse_poison()`)
    const refused = { ...purchaseOf("late", "pay-late"), productCode: "none" }
    const [sold, others] = await Promise.all([
      Promise.all(buy("ann", 60)),
      Promise.all([
        ...Array.from({ length: 3 }, (_, index) =>
          fixture.run("Purchase.Settled", purchaseOf("poison", `pay-poison-${index}`))
        ),
        fixture.run("Purchase.Settled", refused),
        fixture.run("Purchase.Settled", purchaseOf("dry", "pay-dry"), { dryRun: true })
      ])
    ])
    expect(others.map(({ error }) => at(error, "_tag"))).toEqual([
      ...Array<string>(3).fill("InternalError"),
      "ProductUnavailable",
      undefined
    ])
    const year = await yearOf()
    expect(numbersOf(sold)).toEqual(sequence(year, 1, 60))
    await fixture.owner.query("DROP TRIGGER poison ON receipts")
    const later = await fixture.run("Purchase.Settled", purchaseOf("poison", "pay-poison-again"))
    expect(numbersOf([later])).toEqual(sequence(year, 61, 1))
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("begin at 1 again with the UTC year, in the middle of a sale", async () => {
    const year = await yearOf()
    // To the last hours of the year; then across its end, with purchases before, behind and beside.
    const end = Date.UTC(year + 1, 0, 1)
    const [row] = await fixture.owner.query("SELECT app.epoch_milliseconds(app.now())::text AS now")
    const hours = Math.floor((end - Number(row?.now)) / 3_600_000)
    if (hours > 0) await fixture.run("Sandbox.AdvanceClock", { hours }, { role: "admin" })
    expect(await yearOf()).toBe(year)
    const [sold] = await Promise.all([
      Promise.all(buy("eve", 45)),
      fixture.run("Sandbox.AdvanceClock", { hours: 2 }, { role: "admin" })
    ])
    const after = await Promise.all(buy("next", 9))
    const numbers = numbersOf(sold)
    const before = numbers.filter((it) => it.startsWith(`R-${year}-`))
    const behind = numbers.length - before.length
    expect(before).toEqual(sequence(year, 62, before.length))
    expect([...numbers.slice(before.length), ...numbersOf(after)].sort()).toEqual(sequence(year + 1, 1, behind + 9))
    expect(await faults(fixture.owner)).toEqual([])
  })
})
