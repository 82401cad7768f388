import { createHash } from "node:crypto"
import { MerchantId } from "@credit/domain/Ids"
import { FAULTS_TOLD, RECEIPTS_A_TIME, verifyLedger } from "@credit/server/verification/queries"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { HOUR, lay, type Plan } from "../jobs/Ground.ts"
import { followAll, insertEntries, now, rows } from "../migrations/Ledger.ts"
import { openDatabases, type TestDatabases, urlsOf } from "../utils/Databases.ts"

const LONG = 6000
const RECEIPTS = RECEIPTS_A_TIME + 2

let database: MerchantDatabase
let databases: TestDatabases
let owner: Session
/** A superuser, who can put every guard out of force. */
let intruder: Session

beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { merchantId: "proven" })
  owner = await openSession(database.ownerUrl)
  intruder = await openSession(database.adminUrl)
  const t0 = (await now(owner)) - HOUR
  const lot = { credits: 50, issuedAt: t0, expiresAt: t0 + 900 * HOUR }
  const plan = (userId: string, lots = 1, held = 0): Plan => ({
    userId,
    lots: Array.from({ length: lots }, () => lot),
    operations: held === 0 ? [] : [{ held, openedAt: t0, expiresAt: t0 + 100 * HOUR }]
  })
  // Ids that sort by their octets and by no language.
  const users = ["Zoe", "ann", "bea:1-2", "cid", "dan", "eve"]
  await lay(owner, [...users.map((userId) => plan(userId, 3)), plan("held", 1, 7), plan("none", 0)], t0)
  const more = Array.from({ length: FAULTS_TOLD + 500 }, (_, index) => plan(`many-${index}`))
  await lay(owner, more, t0)
  await layLong(t0)
  await layReceipts()
  databases = await openDatabases([urlsOf("proven", database.runtimeUrl)])
})
afterAll(async () => {
  await Promise.all([databases.close(), owner.close(), intruder.close()])
  await database.drop()
})

/** An account of more entries than one read looks at. */
const layLong = async (t0: number) => {
  const lotId = "00000000-0000-7000-8000-00000000cafe"
  await owner.query("INSERT INTO public.accounts (user_id) VALUES ('long')")
  await owner.query(
    `INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
     SELECT $1::uuid, 'long', 'manual', $2::bigint, t, t + interval '900 hours'
     FROM (SELECT timestamptz 'epoch' + $3::bigint * interval '1 millisecond') AS clock (t)`,
    [lotId, 2 * LONG, t0]
  )
  const movements = Array.from({ length: LONG }, (_, index) => ({
    amount: index === 0 ? 2 * LONG : -1,
    lotId,
    createdAt: t0 + index
  }))
  const [entries] = followAll({ userId: "long", seq: 0, balance: 0, hash: new Uint8Array(32) }, movements)
  await owner.query(insertEntries, rows(...entries))
}

/** Purchases with receipts, of two years. */
const layReceipts = async () => {
  await intruder.query(
    `INSERT INTO public.purchases (external_ref, user_id, product_code, lot_id, receipt_number, credits, country, currency,
       amount, order_placed_at, settled_at, purchased_at)
     SELECT 'ref-' || g, 'ann', 'pro', gen_random_uuid(), 'R' || app.receipt_suffix(y, n), 1, 'US', 'USD', 1, t, t, t
     FROM generate_series(1, ${RECEIPTS}) AS g, date_trunc('milliseconds', app.now()) AS t,
       LATERAL (SELECT CASE WHEN g < 100 THEN 2024 ELSE 2026 END AS y, CASE WHEN g < 100 THEN g ELSE g - 99 END AS n) AS place`
  )
  await intruder.query(
    `INSERT INTO public.receipts (receipt_number, year, number, external_ref, user_id, lot_id, issued_at, snapshot)
     SELECT p.receipt_number, split_part(p.receipt_number, '-', 2)::integer, split_part(p.receipt_number, '-', 3)::bigint,
       p.external_ref, p.user_id, p.lot_id, timestamptz '2024-01-01 00:00:00Z', '{}'
     FROM public.purchases AS p`
  )
  await intruder.query(`UPDATE public.receipt_counter SET year = 2026, last_number = ${RECEIPTS - 99}`)
}

const verify = async () => {
  const merchant = await Effect.runPromise(databases.databases.get(MerchantId.make("proven")))
  const parts = await Effect.runPromise(Stream.runCollect(verifyLedger(merchant)))
  const verdict = parts.at(-1)
  if (verdict?._tag !== "Verdict") throw new Error("no verdict")
  return { parts, verdict, faults: parts.flatMap((part) => (part._tag === "Fault" ? [part] : [])) }
}

/** The digest as its definition has it, by one statement over everything. */
const digestByHand = async () => {
  const [row] = await owner.query(
    `SELECT string_agg(concat_ws(',',
       octet_length(user_id) || ':' || user_id, length(seq::text) || ':' || seq, length(balance::text) || ':' || balance,
       '64:' || encode(hash, 'hex')) || E'\\n', '' ORDER BY user_id COLLATE "C") AS text
     FROM public.accounts`
  )
  return createHash("sha256").update(String(row?.text)).digest("hex")
}

describe("A ledger that nobody has touched", () => {
  it("is intact, every account, entry and receipt counted once, in many short reads", async () => {
    const [counts] = await owner.query(
      `SELECT (SELECT count(*)::integer FROM public.accounts) AS accounts,
         (SELECT count(*)::integer FROM public.ledger_entries) AS entries`
    )
    const merchant = await Effect.runPromise(databases.databases.get(MerchantId.make("proven")))
    const reads = vi.spyOn(merchant.analyses, "withPermit")
    const { parts, verdict } = await verify()
    expect(verdict).toEqual({
      _tag: "Verdict",
      verdict: "intact",
      ...counts,
      receipts: RECEIPTS,
      faults: 0,
      digest: await digestByHand()
    })
    expect(parts.length).toBe(reads.mock.calls.length)
    reads.mockRestore()
    const progress = parts.flatMap((part) => (part._tag === "Progress" ? [part] : []))
    const accounts = progress.map((part) => part.accounts)
    expect(accounts).toEqual(accounts.toSorted((a, b) => a - b))
    expect(progress.some(({ userId }) => userId !== undefined)).toBe(true)
    expect((await verify()).verdict).toEqual(verdict)
  })

  it("has another digest after any new entry", async () => {
    const before = await verify()
    const t0 = await now(owner)
    const lots = [{ credits: 1, issuedAt: t0, expiresAt: t0 + HOUR }]
    await lay(owner, [{ userId: "newest", lots, operations: [] }], t0)
    const after = await verify()
    expect(after.verdict).toMatchObject({ verdict: "intact", entries: before.verdict.entries + 1 })
    expect(after.verdict.digest).not.toBe(before.verdict.digest)
  })
})

/** What an intruder did, and what is said of it. */
const DEEDS: ReadonlyArray<
  readonly [deed: string, sql: string, faults: ReadonlyArray<readonly [userId: string | undefined, problem: RegExp]>]
> = [
  [
    "an entry's amount and all that follows from it",
    "UPDATE public.ledger_entries SET amount = 49, balance_after = balance_after - 1 WHERE user_id = 'ann' AND seq = 1",
    [["ann", /^entry 1: its hash is not that of this entry/]]
  ],
  [
    "an entry's amount alone",
    "UPDATE public.ledger_entries SET amount = 49 WHERE user_id = 'ann' AND seq = 2",
    [["ann", /^entry 2: a balance of 50 and an amount of 49 do not make 100$/]]
  ],
  [
    "an entry's reason",
    "UPDATE public.ledger_entries SET reason = 'promo' WHERE user_id = 'eve' AND seq = 3",
    [["eve", /^entry 3: its hash/]]
  ],
  [
    "an entry in the middle of many",
    `UPDATE public.ledger_entries SET note = 'x' WHERE user_id = 'long' AND seq = ${LONG - 10}`,
    [["long", new RegExp(`^entry ${LONG - 10}: its hash`)]]
  ],
  [
    "a balance",
    "UPDATE public.accounts SET balance = balance + 1 WHERE user_id = 'Zoe'",
    [["Zoe", /^it stands at entry 3 with a balance of 151 and a debt of 0; its entries come to 3, 150 and 0$/]]
  ],
  [
    "a debt",
    "UPDATE public.accounts SET balance = -5, debt = 5 WHERE user_id = 'cid'",
    [["cid", /with a balance of -5 and a debt of 5; its entries come to 3, 150 and 0$/]]
  ],
  [
    "a head hash",
    "UPDATE public.accounts SET hash = sha256('') WHERE user_id = 'cid'",
    [["cid", /^its head is not the hash/]]
  ],
  [
    "a lot's remaining",
    "UPDATE public.lots SET remaining = 1 WHERE user_id = 'held'",
    [["held", /^lot \S+ has 1 left; its entries come to 50$/]]
  ],
  [
    "a hold of an account",
    "UPDATE public.accounts SET held = 0 WHERE user_id = 'held'",
    [["held", /^it holds 0, and its open operations 7$/]]
  ],
  [
    "an operation that held",
    "DELETE FROM public.operations WHERE user_id = 'held'",
    [["held", /^it holds 7, and its/]]
  ],
  [
    "a missing entry",
    "DELETE FROM public.ledger_entries WHERE user_id = 'dan' AND seq = 2",
    [["dan", /^entry 3 does not follow entry 1$/]]
  ],
  [
    "a missing last entry",
    "DELETE FROM public.ledger_entries WHERE user_id = 'dan' AND seq = 3",
    [["dan", /^it stands at entry 3 .* come to 2, 100 and 0$/]]
  ],
  [
    "a missing account",
    "DELETE FROM public.accounts WHERE user_id = 'dan'",
    [["dan", /^there are entries, and no account$/]]
  ],
  [
    "a receipt in the middle",
    "DELETE FROM public.receipts WHERE number = 50 AND year = 2024",
    [
      ["ann", /^receipt R-2024-0051 is there, and number 50 of 2024 is not$/],
      ["ann", /^purchase ref-50 has receipt R-2024-0050, which is not there$/]
    ]
  ],
  [
    "the last receipt",
    `DELETE FROM public.receipts WHERE external_ref = 'ref-${RECEIPTS}'`,
    [
      [
        undefined,
        new RegExp(
          `^the last receipt is number ${RECEIPTS - 100} of 2026, and the last number given is ${RECEIPTS - 99} of 2026$`
        )
      ],
      ["ann", new RegExp(`^purchase ref-${RECEIPTS} has`)]
    ]
  ],
  [
    "a purchase",
    "DELETE FROM public.purchases WHERE external_ref = 'ref-7'",
    [["ann", /^receipt R-2024-0007 is of purchase ref-7, which is not there$/]]
  ],
  [
    "a receipt given to another purchase",
    "UPDATE public.receipts SET external_ref = 'other' WHERE number = 20 AND year = 2024",
    [
      ["ann", /^receipt R-2024-0020 is of purchase other, which is not there$/],
      ["ann", /^purchase ref-20 has receipt R-2024-0020, which is of other$/]
    ]
  ],
  [
    "a counter set back",
    "UPDATE public.receipt_counter SET last_number = 1",
    [[undefined, /^the last receipt is number \d+ of 2026, and the last number given is 1 of 2026$/]]
  ]
]

describe("What somebody has tampered with is found and named:", () => {
  beforeAll(async () => {
    const tables = ["accounts", "lots", "operations", "purchases", "receipts", "receipt_counter", "ledger_entries"]
    for (const table of tables) await intruder.query(`ALTER TABLE public.${table} DISABLE TRIGGER ALL`)
  })

  /** Does something to a table for as long as a verification looks, and then puts it back. */
  const during = async <A>(sql: string, body: () => Promise<A>): Promise<A> => {
    const [, table] = /public\.(\w+)/.exec(sql) ?? []
    const [found] = await intruder.query(
      `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns FROM pg_attribute
       WHERE attrelid = 'public.${table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`
    )
    const columns = String(found?.columns)
    await intruder.query(`CREATE TEMPORARY TABLE kept AS TABLE public.${table}`)
    try {
      const rows = await intruder.query(`${sql} RETURNING 1 AS changed`)
      expect(rows.length).toBeGreaterThan(0)
      return await body()
    } finally {
      await intruder.query(`DELETE FROM public.${table}`)
      await intruder.query(`INSERT INTO public.${table} (${columns}) SELECT ${columns} FROM kept`)
      await intruder.query("DROP TABLE kept")
    }
  }

  it.each(DEEDS)("%s", async (_, sql, expected) => {
    const { faults, verdict } = await during(sql, verify)
    expect(faults).toEqual(
      expected.map(([userId, problem]) => ({
        _tag: "Fault",
        ...(userId === undefined ? {} : { userId }),
        problem: expect.stringMatching(problem)
      }))
    )
    expect(verdict).toMatchObject({ verdict: "faulty", faults: expected.length })
  })

  it("the first hundred of many, all of them counted", async () => {
    const { faults, verdict } = await during(
      "UPDATE public.accounts SET balance = balance + 1 WHERE user_id LIKE 'many-%'",
      verify
    )
    expect(faults).toHaveLength(FAULTS_TOLD)
    expect(verdict.faults).toBe(FAULTS_TOLD + 500)
  })

  it("and nothing once all is as it was", async () => {
    expect((await verify()).verdict.verdict).toBe("intact")
  })
})
