import { RECORDS } from "@credit/server/audit/queries"
import * as Explanations from "@credit/server/explanations/rows"
import * as Exports from "@credit/server/exports/queries"
import * as Ledger from "@credit/server/ledger/queries"
import { STANDINGS } from "@credit/server/ledger/Standing"
import { TOTALS } from "@credit/server/ledger/Totals"
import { PLANNING } from "@credit/server/merchants/CheckedConnection"
import { ANALYSIS, LOOKUP } from "@credit/server/merchants/Snapshot"
import * as Purchases from "@credit/server/purchases/queries"
import * as Receipts from "@credit/server/receipts/queries"
import { BOUNDARY, MOVEMENTS } from "@credit/server/statements/queries"
import { METRICS, USAGE } from "@credit/server/usage/queries"
import * as Verification from "@credit/server/verification/queries"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"

/** The first instant that the generated rows are dated with, and how far they go on: all in the months there are. */
const BEGIN = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth())
const HOUR = 3_600_000
const DAY = 24 * HOUR
const END_OF_TIME = 253_402_300_800_000
const ZERO = "00000000-0000-0000-0000-000000000000"
const LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"

let database: MerchantDatabase
let owner: Session
let runtime: Session

/**
 * A ledger at which a scan would show: one user of 30,000 entries over 90 days among 3,000 users of 20 each, and beside them
 * as many operations, purchases and records. Written by the owner with the guards off, so that it takes a second.
 */
const FILL: ReadonlyArray<string> = [
  ...["accounts", "lots", "ledger_entries", "operations", "purchases", "receipts", "audit_log"].map(
    (table) => `ALTER TABLE public.${table} DISABLE TRIGGER USER`
  ),
  `INSERT INTO public.accounts (user_id) SELECT 'heavy' UNION ALL SELECT 'u' || g FROM generate_series(1, 3000) AS g`,
  `INSERT INTO public.lots (lot_id, user_id, source, credits, remaining, issued_at, expires_at)
   SELECT ('00000000-0000-7000-8000-' || lpad(g::text, 12, '0'))::uuid, CASE WHEN g <= 3000 THEN 'heavy' ELSE 'u' || g - 3000 END,
     'manual', 10, CASE WHEN g % 1000 = 1 OR g > 3000 THEN 10 ELSE 0 END, timestamptz 'epoch', timestamptz '2999-01-01 00:00:00Z'
   FROM generate_series(1, 6000) AS g`,
  `INSERT INTO public.ledger_entries (entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type,
     resource_amount, resource_unit, operation_id, effective_at, created_at, hash)
   SELECT gen_random_uuid(), w.user_id, w.seq, ('00000000-0000-7000-8000-' || lpad((1 + w.seq % 3000)::text, 12, '0'))::uuid, -1, 0,
     'debit', 'type' || w.seq % 5, 1, 'UNIT', gen_random_uuid(), w.at, w.at, sha256(w.user_id::bytea)
   FROM (
     SELECT 'heavy' AS user_id, g AS seq, timestamptz 'epoch' + (${BEGIN} + g * 259200::bigint) * interval '1 millisecond' AS at
     FROM generate_series(1, 30000) AS g
     UNION ALL
     SELECT 'u' || 1 + g % 3000, 1 + g / 3000, timestamptz 'epoch' + (${BEGIN} + g * 129600::bigint) * interval '1 millisecond'
     FROM generate_series(0, 59999) AS g
   ) AS w ORDER BY w.at`,
  `INSERT INTO public.operations (operation_id, user_id, operation_type_code, captured_rate, resource_unit, status, opened_at,
     expires_at, closed_at, resource_amount, final_cost, completed_at, updated_at)
   SELECT gen_random_uuid(), 'u' || 1 + g % 3000, 'type' || g % 5, 1, 'UNIT', 'closed', o.at, o.at + interval '1 hour', o.at,
     1, 1, o.at, o.at
   FROM generate_series(1, 60000) AS g
   CROSS JOIN LATERAL (SELECT timestamptz 'epoch' + (${BEGIN} + g * 129600::bigint) * interval '1 millisecond' AS at) AS o
   ORDER BY g`,
  `INSERT INTO public.purchases (external_ref, user_id, product_code, lot_id, receipt_number, credits, country, currency,
     amount, order_placed_at, settled_at, purchased_at)
   SELECT 'ref-' || g, CASE WHEN g <= 3000 THEN 'heavy' ELSE 'u' || g - 3000 END, 'pro', gen_random_uuid(),
     'R' || app.receipt_suffix(2026, g), 1, 'US', 'USD', 1, timestamptz 'epoch', timestamptz 'epoch',
     timestamptz 'epoch' + g * interval '1 second'
   FROM generate_series(1, 6000) AS g`,
  `INSERT INTO public.receipts (receipt_number, year, number, external_ref, user_id, lot_id, issued_at, snapshot)
   SELECT p.receipt_number, 2026, right(p.external_ref, -4)::bigint, p.external_ref, p.user_id, p.lot_id, p.purchased_at, '{}'
   FROM public.purchases AS p`,
  `INSERT INTO public.audit_log (audit_id, at, jti, actor, role, command, idempotency_key, transaction_id, outcome)
   SELECT gen_random_uuid(), timestamptz 'epoch' + g * interval '1 second', 'j', 'a', 'admin', 'c', 'k', gen_random_uuid(), 'succeeded'
   FROM generate_series(1, 20000) AS g`,
  // What autovacuum does in time: pages filled since the index was made are summed up.
  `SELECT brin_summarize_new_values('public.operations_by_opening')`
]

beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
  for (const statement of FILL) await owner.query(statement)
  for (const [name, value] of Object.entries(PLANNING)) await runtime.query(`SET ${name} = '${value}'`)
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

interface PlanNode {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Actual Rows"?: number
  readonly "Actual Loops"?: number
  readonly "Rows Removed by Filter"?: number
  readonly "Rows Removed by Index Recheck"?: number
  readonly Plans?: ReadonlyArray<PlanNode>
}

/** Tables of one row, and the catalogs of PostgreSQL. */
const SMALL = new Set(["merchant_settings", "receipt_counter", "pg_inherits", "pg_class"])

/** How many rows a statement looked at, run as the service runs it, and which tables it read from end to end. */
const reading = async (settings: string, sql: string, parameters: ReadonlyArray<string | number | null>) => {
  const literals = parameters.map((it) => (it === null ? "NULL" : `'${it}'`)).join(", ")
  await runtime.query("BEGIN READ ONLY")
  await runtime.query(settings)
  await runtime.query(`PREPARE it AS ${sql}`)
  const execute = parameters.length === 0 ? "EXECUTE it" : `EXECUTE it (${literals})`
  const [row] = await runtime.query(`EXPLAIN (ANALYZE, TIMING off, FORMAT json) ${execute}`)
  await runtime.query("COMMIT")
  await runtime.query("DEALLOCATE it")
  const text = row?.["QUERY PLAN"]
  const [{ Plan }] = typeof text === "string" ? JSON.parse(text) : (text as [{ Plan: PlanNode }])
  let rows = 0
  const scanned: Array<string> = []
  const visit = (node: PlanNode) => {
    const table = node["Relation Name"]
    if (table !== undefined && !SMALL.has(table)) {
      const { "Rows Removed by Filter": filtered = 0, "Rows Removed by Index Recheck": rechecked = 0 } = node
      rows += ((node["Actual Rows"] ?? 0) + filtered + rechecked) * (node["Actual Loops"] ?? 1)
      if (node["Node Type"] === "Seq Scan") scanned.push(table)
    }
    for (const inner of node.Plans ?? []) visit(inner)
  }
  visit(Plan)
  return { rows, scanned }
}

/** Each statement of a query, what it is asked, and how many rows it may look at. A page here has 50 rows. */
const READS: ReadonlyArray<
  readonly [name: string, sql: string, parameters: ReadonlyArray<string | number | null>, most: number]
> = [
  ["GetUserBalance", STANDINGS, ["{heavy}"], 4],
  ["GetUserBalances", STANDINGS, ["{heavy,u1,u2,nobody}"], 8],
  ["GetLedgerHistory", Ledger.HISTORY, ["heavy", END_OF_TIME, 0, 0, 50], 60],
  ["GetLedgerHistory, deep", Ledger.HISTORY, ["heavy", BEGIN + 20 * DAY, 0, 0, 50], 60],
  ["GetLedgerHistory, of a day", Ledger.HISTORY, ["heavy", BEGIN + 20 * DAY, 0, BEGIN + 20 * DAY - HOUR, 50], 20],
  [
    "GetLedgerHistory, of a rare reason",
    Ledger.HISTORY_OF_REASONS,
    ["heavy", END_OF_TIME, 0, 0, 50, '["purchase"]'],
    5000
  ],
  ["GetLedgerHistory, how far it looked", Ledger.HISTORY_SEEN, ["heavy", END_OF_TIME, 0, 0], 5000],
  ["ListLots", Ledger.LOTS, ["heavy", LAST, 50], 50],
  ["ListLots, active ones", Ledger.ACTIVE_LOTS, ["heavy", LAST, 50], 3],
  ["ListReceipts, deep", Receipts.OF_USER, ["heavy", 1_000_000, "", 50], 50],
  ["GetReceipt", Receipts.BY_NUMBER, ["R-2026-3333"], 1],
  ["GetReceipt, by reference", Receipts.BY_REFERENCE, ["ref-3333"], 1],
  ["ListPurchases, deep", Purchases.OF_USER, ["heavy", 1_000_000, "", 50], 100],
  ["SearchUsersByPurchaseRef", Purchases.BY_REFERENCE, ["ref-3333"], 1],
  ["SearchUsersByPurchaseRef, by prefix", Purchases.BY_PREFIX, ["ref-3", "ref-32", 50], 50],
  ["ListAuditLog, deep", RECORDS, [5_000_000, ZERO, 0, 50], 50],
  ["GetBalanceAt", BOUNDARY, ["heavy", BEGIN + 20 * DAY], 1],
  ["GetBalanceAt, of an idle account", BOUNDARY, ["u7", BEGIN + 200 * DAY], 0],
  ["GetStatement", MOVEMENTS, ["heavy", BEGIN + 20 * DAY, 1, END_OF_TIME, 0, 50], 60],
  ["GetStatement, totals of a day", TOTALS, ["heavy", BEGIN + 20 * DAY, 0, BEGIN + 21 * DAY, 0], 350],
  [
    "GetUsageSummary, of a day",
    USAGE,
    ["heavy", BEGIN + 20 * DAY, BEGIN + 21 * DAY, null, BEGIN + 20 * DAY, 0, "", "", 50],
    350
  ],
  ["GetOperationMetrics, of a day of ninety", METRICS, [BEGIN + 20 * DAY, BEGIN + 21 * DAY, null], 5000],
  ["Explain, an entry", Explanations.ENTRY, [LAST], 0],
  ["Explain, what was booked with it", Explanations.TOGETHER, ["heavy", BEGIN + 259_200, null, "debit"], 1],
  ["Explain, an operation", Explanations.OPERATION, [LAST], 0],
  ["Explain, lots", Explanations.LOTS, ['["00000000-0000-7000-8000-000000000001"]'], 1],
  ["Explain, a lot", Explanations.OF_LOT(5000), ["heavy", 0, 0, "00000000-0000-7000-8000-000000000001", 50], 5000],
  ["Explain, how far it looked", Explanations.SEEN(5000), ["heavy", 0, 0], 5000],
  ["Explain, a command", Explanations.KEY, ["Operation.Open", "key"], 0],
  ["ExportLedger, where it begins", Exports.LEDGER, [], 0],
  ["ExportLedger", Exports.MONTH, [BEGIN, nextMonth(), ZERO, 0, END_OF_TIME, 200], 200],
  ["ExportLedger, a moment of a month", Exports.MONTH, [BEGIN, nextMonth(), ZERO, BEGIN, BEGIN + 1, 200], 20_000],
  ["ExportLedger, how far it looked", Exports.MONTH_SEEN, [BEGIN, nextMonth(), ZERO], 20_000],
  ["ExportLedger, of a user", Exports.OF_USER, ["heavy", BEGIN + 20 * DAY, 0, END_OF_TIME, 200], 200],
  ["VerifyLedger, receipts", Verification.NEXT_RECEIPTS, [2026, 3000, 500], 1000],
  ["VerifyLedger, the last number", Verification.COUNTER, [], 0],
  ["VerifyLedger, purchases", Verification.NEXT_PURCHASES, ["ref-1", 500], 1000]
]

function nextMonth() {
  const date = new Date(BEGIN)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}

describe("a read goes by its index, however many rows there are beside those it tells", () => {
  it.each(READS)("%s", async (_, sql, parameters, most) => {
    // Operations of a time are found by a summary of pages, which a lookup would not use.
    for (const settings of sql === METRICS ? [ANALYSIS] : [LOOKUP, ANALYSIS]) {
      const { rows, scanned } = await reading(settings, sql, parameters)
      expect(scanned).toEqual([])
      expect(rows).toBeLessThanOrEqual(most)
    }
  })

  it("VerifyLedger, accounts", async () => {
    const counted = async () => {
      const [row] = await runtime.query(
        `SELECT coalesce(sum(seq_scan), 0)::integer AS scans, coalesce(sum(idx_tup_fetch), 0)::integer AS rows
         FROM pg_catalog.pg_stat_xact_user_tables`
      )
      return { scans: Number(row?.scans), rows: Number(row?.rows) }
    }
    await runtime.query("BEGIN READ ONLY")
    await runtime.query(ANALYSIS)
    const before = await counted()
    await runtime.query(Verification.NEXT_ACCOUNTS, ["u1000", null, "100", "5000"])
    const after = await counted()
    await runtime.query("COMMIT")
    expect(after.scans).toBe(before.scans)
    // Of an account its 20 entries, the first one behind it in each month, itself and its lots.
    expect(after.rows - before.rows).toBeLessThan(100 * 60)
  })

  it("which would show if one did not", async () => {
    const sql = "SELECT count(*) FROM public.ledger_entries WHERE operation_type = $1::text"
    expect((await reading(LOOKUP, sql, ["none"])).rows).toBe(90_000)
  })
})
