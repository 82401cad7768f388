import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { account, addFundedAccount, follow, insertEntries, now, partitions, rows } from "./Ledger.ts"

let database: MerchantDatabase
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await runtime.close()
  await database.drop()
})

const ensure = async (session: Session, until: number) => {
  const [row] = await session.query(
    "SELECT app.ensure_partitions(timestamptz 'epoch' + $1::bigint * interval '1 millisecond') AS made",
    [until]
  )
  return Number(row?.made)
}

/** The first instant of the month so many after that of an instant, in UTC. */
const monthsAfter = (instant: number, months: number): number => {
  const date = new Date(instant)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1)
}
const partitionOf = (instant: number): string =>
  `ledger_entries_${new Date(instant).toISOString().slice(0, 7).replace("-", "_")}`

const homeOf = async (entryId: string): Promise<string> => {
  const [row] = await runtime.query(
    "SELECT tableoid::regclass::text AS home FROM public.ledger_entries WHERE entry_id = $1::uuid",
    [entryId]
  )
  return String(row?.home).replace(/^public\./, "")
}

describe("the ledger's months", () => {
  it("are there from the start, three ahead", async () => {
    const at = await now(runtime)
    expect(await partitions(runtime)).toEqual([0, 1, 2, 3].map((months) => partitionOf(monthsAfter(at, months))))
  })

  it("are made up to the instant asked for, once", async () => {
    const at = await now(runtime)
    expect(await ensure(runtime, monthsAfter(at, 5))).toBe(2)
    expect(await ensure(runtime, monthsAfter(at, 5))).toBe(0)
    expect(await ensure(runtime, at)).toBe(0)
    expect(await ensure(runtime, monthsAfter(at, 6) - 1)).toBe(0)
    expect(await ensure(runtime, monthsAfter(at, 6))).toBe(1)
    expect(await partitions(runtime)).toHaveLength(7)
  })

  it("each refuses what the ledger refuses", async () => {
    const owner = await openSession(database.ownerUrl)
    for (const month of await partitions(owner)) {
      const triggers = await owner.query(
        "SELECT tgname::text AS name, tgenabled::text AS enabled FROM pg_catalog.pg_trigger WHERE tgrelid = $1::regclass ORDER BY 1",
        [`public.${month}`]
      )
      expect(triggers).toEqual([
        { name: `${month}_is_immutable`, enabled: "A" },
        { name: `${month}_through_the_ledger`, enabled: "A" },
        { name: "ledger_entries_issue", enabled: "A" }
      ])
    }
    await owner.close()
  })

  it("one that is missing is a refusal to be known by; made, the same entry enters", async () => {
    const { head, lotId } = await addFundedAccount(runtime, "ahead", 100)
    const createdAt = monthsAfter(await now(runtime), 20)
    const [entry] = follow(head, { amount: -1, lotId, createdAt })
    expect(await runtime.refusal(insertEntries, rows(entry))).toMatchObject({
      code: "23514",
      constraint: undefined,
      table: "ledger_entries",
      message: 'no partition of relation "ledger_entries" found for row'
    })
    expect(await ensure(runtime, createdAt)).toBeGreaterThan(0)
    await runtime.query(insertEntries, rows(entry))
    expect(await homeOf(entry.entryId)).toBe(partitionOf(createdAt))
  })

  it("begin and end in UTC, whatever the time zone of who makes them or writes", async () => {
    const zones = ["Pacific/Kiritimati", "America/Adak", "Asia/Kathmandu", "Europe/Lisbon"]
    let { head, lotId } = await addFundedAccount(runtime, "traveller", 100)
    for (const [index, zone] of zones.entries()) {
      const traveller = await openSession(database.runtimeUrl)
      await traveller.query(`SET timezone = '${zone}'`)
      const boundary = monthsAfter(await now(runtime), 30 + index)
      await ensure(traveller, boundary)
      const [before, next] = follow(head, { amount: -1, lotId, createdAt: boundary - 1 })
      const [after, last] = follow(next, { amount: -1, lotId, createdAt: boundary })
      await traveller.query(insertEntries, rows(before, after))
      expect(await homeOf(before.entryId), zone).toBe(partitionOf(boundary - 1))
      expect(await homeOf(after.entryId), zone).toBe(partitionOf(boundary))
      head = last
      await traveller.close()
    }
  })

  it("are made up to 1200 ahead and no further", async () => {
    const at = await now(runtime)
    for (const until of [`${monthsAfter(at, 1201)}::bigint * interval '1 millisecond'`, "interval '100000 years'"]) {
      expect(await runtime.refusal(`SELECT app.ensure_partitions(timestamptz 'epoch' + ${until})`)).toMatchObject({
        code: "22023"
      })
    }
    expect(await runtime.refusal("SELECT app.ensure_partitions('infinity')")).toMatchObject({ code: "22023" })
    await runtime.query("SELECT app.ensure_partitions('-infinity'), app.ensure_partitions(NULL)")
  })

  it("lie open to no one: a month is read through the ledger", async () => {
    const [month] = await partitions(runtime)
    expect(await runtime.refusal(`SELECT FROM public.${month}`)).toMatchObject({ code: "42501" })
    expect(await runtime.refusal(`COPY public.${month} TO STDOUT`)).toMatchObject({ code: "42501" })
  })
})

describe("making months", () => {
  it("waits for no writer, and no writer for it", async () => {
    const { createdAt, head, lotId } = await addFundedAccount(runtime, "busy", 100)
    const other = await addFundedAccount(runtime, "also-busy", 100)
    const [writer, maker] = await Promise.all([openSession(database.runtimeUrl), openSession(database.runtimeUrl)])
    const [entry] = follow(head, { amount: -1, lotId, createdAt })
    await writer.query("BEGIN")
    await writer.query(insertEntries, rows(entry))
    // The writer's transaction stays open over the making, and the maker's over the next write.
    await maker.query("BEGIN")
    expect(await ensure(maker, monthsAfter(createdAt, 50))).toBeGreaterThan(0)
    const [later] = follow(other.head, { amount: -1, lotId: other.lotId, createdAt: other.createdAt })
    await runtime.query("SET lock_timeout = '5s'")
    await runtime.query(insertEntries, rows(later))
    await runtime.query("RESET lock_timeout")
    await maker.query("COMMIT")
    await writer.query("COMMIT")
    await Promise.all([writer.close(), maker.close()])
    expect(await account(runtime, "busy")).toMatchObject({ seq: 2 })
  })

  it("goes on among writers at full speed, several makers at once: each month is made once, no write fails", async () => {
    const before = await partitions(runtime)
    const last = monthsAfter(await now(runtime), 80)
    const sessions = await Promise.all(Array.from({ length: 6 }, () => openSession(database.runtimeUrl)))
    const [one, two, three, ...writing] = sessions
    if (one === undefined || two === undefined || three === undefined) throw new Error("too few sessions")
    const funded = await Promise.all(writing.map((_, index) => addFundedAccount(runtime, `writer-${index}`, 1_000_000)))
    let making = true
    const writers = writing.map(async (session, index) => {
      let written = 0
      let head = funded[index]?.head
      const lotId = funded[index]?.lotId ?? null
      while (making && head !== undefined) {
        const [entry, next] = follow(head, { amount: -1, lotId, createdAt: await now(session) })
        await session.query(insertEntries, rows(entry))
        head = next
        written++
      }
      return written
    })
    const made = await Promise.all([one, two, three].map((maker) => ensure(maker, last)))
    making = false
    const written = await Promise.all(writers)
    await Promise.all(sessions.map((session) => session.close()))
    expect(Math.min(...written)).toBeGreaterThan(0)
    expect(made.reduce((sum, each) => sum + each)).toBe((await partitions(runtime)).length - before.length)
    expect(await partitions(runtime)).toContain(partitionOf(last))
    for (const [index, count] of written.entries()) {
      expect(await account(runtime, `writer-${index}`)).toMatchObject({ seq: count + 1, balance: 1_000_000 - count })
    }
  })
})

describe("a year in a sandbox", () => {
  it("passes month by month: every entry finds its month, and history reads as one", async () => {
    const played = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
    const session = await openSession(played.runtimeUrl)
    try {
      let { head, lotId, createdAt } = await addFundedAccount(session, "player", 100)
      const months = [partitionOf(createdAt)]
      for (let month = 1; month <= 12; month++) {
        const due = monthsAfter(createdAt, 1) + 3_600_000
        const hours = Math.ceil((due - (await now(session))) / 3_600_000)
        await session.query(
          "UPDATE public.merchant_settings SET clock_offset_hours = clock_offset_hours + $1::integer",
          [hours]
        )
        await session.query("SELECT app.ensure_partitions(app.now())")
        createdAt = await now(session)
        const [entry, next] = follow(head, { amount: -1, lotId, createdAt })
        await session.query(insertEntries, rows(entry))
        head = next
        months.push(partitionOf(createdAt))
      }
      expect(new Set(months).size).toBe(13)
      const history = await session.query(
        `SELECT tableoid::regclass::text AS home, seq::integer AS seq FROM public.ledger_entries
         WHERE user_id = 'player' ORDER BY created_at DESC, seq DESC`
      )
      expect(history.map(({ home }) => String(home).replace(/^public\./, ""))).toEqual(months.toReversed())
      expect(history.map(({ seq }) => seq)).toEqual(Array.from({ length: 13 }, (_, index) => 13 - index))
      expect(await partitions(session)).toHaveLength(16)
    } finally {
      await session.close()
      await played.drop()
    }
  })
})
