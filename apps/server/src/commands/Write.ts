import { encodePayload } from "@credit/domain/Command"
import type { Facts } from "@credit/domain/decide"
import type { NewId } from "@credit/domain/Uuid"
import { CONTRACT_VERSION } from "@credit/rpc/Api"
import { fromMillis } from "../ledger/rows.ts"
import type { Statement } from "./Statement.ts"
import { groundWrites } from "./WriteGround.ts"

/**
 * Keys, lots, operations and entries: what nearly all batches write, and nothing but, so it is one statement. A key that
 * somebody else wrote meanwhile refuses the batch: it runs again and finds what was written.
 */
const BATCH = "SELECT app.write_batch($1::json, $2::boolean, $3::json, $4::json, $5::json, $6::json)"

const PURCHASES = `
INSERT INTO public.purchases (
  external_ref, user_id, product_code, lot_id, receipt_number, credits, country, currency, amount, tax_breakdown,
  payment_method, order_placed_at, settled_at, purchased_at
)
SELECT p."externalRef", p."userId", p."productCode", p."lotId", p."receiptNumber", p.credits, p.country, p.currency,
  p.amount, p."taxBreakdown", p."paymentMethod", p."orderPlacedAt", p."settledAt", ${fromMillis('p."purchasedAt"')}
FROM json_to_recordset($1::json) AS p (
  "externalRef" text, "userId" text, "productCode" text, "lotId" uuid, "receiptNumber" text, credits bigint,
  country text, currency text, amount numeric, "taxBreakdown" jsonb, "paymentMethod" text, "orderPlacedAt" timestamptz,
  "settledAt" timestamptz, "purchasedAt" bigint
)`

const RECEIPTS = `
INSERT INTO public.receipts (receipt_number, year, number, external_ref, user_id, lot_id, issued_at, snapshot)
SELECT r."receiptNumber", r.year, r.number, r."externalRef", r."userId", r."lotId", ${fromMillis('r."issuedAt"')}, r.snapshot
FROM json_to_recordset($1::json) AS r (
  "receiptNumber" text, year integer, number bigint, "externalRef" text, "userId" text, "lotId" uuid,
  "issuedAt" bigint, snapshot jsonb
)`

/**
 * New reversals, after their entries and their lots: a trigger holds each to its purchase and to its entries. Sorted: of
 * two for one purchase the first comes first.
 */
const REVERSALS = `
INSERT INTO public.reversals (
  external_ref, sequence, user_id, kind, lot_id, credits, expired, debt_incurred, first_seq, last_seq, category, note,
  actor, reversed_at, outcome, resolved_at, resolved_by, reinstatement_lot_id
)
SELECT r."externalRef", r.sequence, r."userId", r.kind, r."lotId", r.credits, r.expired, r."debtIncurred", r."firstSeq",
  r."lastSeq", r.category, r.note, r.actor, ${fromMillis('r."reversedAt"')}, r.outcome, ${fromMillis('r."resolvedAt"')},
  r."resolvedBy", r."reinstatementLotId"
FROM json_to_recordset($1::json) AS r (
  "externalRef" text, sequence smallint, "userId" text, kind text, "lotId" uuid, credits bigint, expired bigint,
  "debtIncurred" bigint, "firstSeq" bigint, "lastSeq" bigint, category text, note text, actor text, "reversedAt" bigint,
  outcome text, "resolvedAt" bigint, "resolvedBy" text, "reinstatementLotId" uuid
)
ORDER BY r."externalRef" COLLATE "C", r.sequence`

/** The outcomes of disputes. One that somebody else resolved meanwhile is not written, and then the batch runs again. */
const RESOLVED = `
WITH resolved AS (
  UPDATE public.reversals AS v SET
    outcome = r.outcome, resolved_at = ${fromMillis('r."resolvedAt"')}, resolved_by = r."resolvedBy",
    reinstatement_lot_id = r."reinstatementLotId"
  FROM json_to_recordset($1::json) AS r (
    "externalRef" text, sequence smallint, outcome text, "resolvedAt" bigint, "resolvedBy" text,
    "reinstatementLotId" uuid
  )
  WHERE v.external_ref = r."externalRef" AND v.sequence = r.sequence AND v.outcome IS NULL
    -- Says nothing new, and keeps a plan that was made for an empty table from reading all of it.
    AND v.external_ref = ANY (ARRAY (SELECT e ->> 'externalRef' FROM json_array_elements($1::json) AS e))
  RETURNING 1
)
SELECT app.expect_rows(count(*), $2::bigint) FROM resolved`

const WELCOMES = `
INSERT INTO public.grants_once (user_id, grant_type, lot_id, granted_at)
SELECT w."userId", 'welcome', w."lotId", ${fromMillis("$2::bigint")}
FROM json_to_recordset($1::json) AS w ("userId" text, "lotId" uuid)`

const AUDIT = `
INSERT INTO public.audit_log (
  audit_id, at, jti, actor, role, command, idempotency_key, transaction_id, outcome, detail
)
SELECT a."auditId", ${fromMillis("$2::bigint")}, a.jti, a.actor, a.role, a.command, a.key, a."transactionId", a.outcome,
  a.detail
FROM json_to_recordset($1::json) AS a (
  "auditId" uuid, jti text, actor text, role text, command text, key text, "transactionId" uuid, outcome text,
  detail jsonb
)`

const rows = (values: ReadonlyArray<object>) => JSON.stringify(values)

/** The writes of a batch in their order: each table once, and only where there is something to write. */
export const writes = (facts: Facts, now: number, newId: NewId): ReadonlyArray<Statement> => {
  const statements: Array<Statement> = []
  const insert = (sql: string, values: ReadonlyArray<object>, ...more: ReadonlyArray<number>) => {
    if (values.length > 0) statements.push({ sql, parameters: [rows(values), ...more.map(String)] })
  }
  const { changed, entries, keys, lots, opened } = facts
  if ([keys, lots, changed, opened, entries].some((it) => it.length > 0)) {
    const lists = [lots, changed, opened, entries].map((it) => (it.length === 0 ? null : rows(it)))
    const renews = keys.some((it) => it.renewed)
    statements.push({ sql: BATCH, parameters: [rows(keys.map(keyRow)), `${renews}`, ...lists] })
  }
  insert(PURCHASES, facts.purchases.map(purchaseRow))
  insert(
    RECEIPTS,
    facts.purchases.map((it) => it.receipt)
  )
  // Before new ones: a purchase is reversed again once its chargeback was won.
  insert(RESOLVED, facts.resolved.map(reversalRow), facts.resolved.length)
  insert(REVERSALS, facts.reversals.map(reversalRow))
  insert(WELCOMES, facts.welcomed, now)
  insert(
    AUDIT,
    facts.audited.map((it) => auditRow(it, newId(now))),
    now
  )
  for (const change of facts.ground) statements.push(...groundWrites(change, now))
  return statements
}

const keyRow = ({ command, fieldHashes, leaseUntil: _, renewed: __, ...record }: Facts["keys"][number]) => ({
  ...record,
  type: command.intent.type,
  key: command.key,
  transactionId: command.transactionId,
  fieldHashes: JSON.stringify(fieldHashes),
  contractVersion: CONTRACT_VERSION
})

const purchaseRow = ({ lot, receipt, ...purchase }: Facts["purchases"][number]) => ({
  ...purchase,
  lotId: lot.lotId,
  receiptNumber: receipt.receiptNumber,
  credits: lot.credits,
  taxBreakdown: receipt.snapshot.taxBreakdown,
  paymentMethod: receipt.snapshot.paymentMethod,
  orderPlacedAt: receipt.snapshot.orderPlacedAt,
  settledAt: receipt.snapshot.settledAt,
  purchasedAt: receipt.issuedAt
})

const reversalRow = ({ resolution, ...reversal }: Facts["reversals"][number]) => ({
  ...reversal,
  outcome: resolution?.outcome,
  resolvedAt: resolution?.resolvedAt,
  resolvedBy: resolution?.resolvedBy,
  reinstatementLotId: resolution?.reinstatement?.lotId
})

/** `actor` is whom the token names, and is proven; an `adminActor` in the payload is whom that caller names. */
const auditRow = ({ command, outcome, refusal }: Facts["audited"][number], auditId: string) => ({
  auditId,
  jti: command.sender.tokenId,
  actor: command.sender.subject,
  role: command.sender.role,
  command: command.intent.type,
  key: command.key,
  transactionId: command.transactionId,
  outcome,
  detail: { payload: encodePayload(command.intent), ...(refusal === null ? {} : { refusal }) }
})

/** Stores that a command failed for want of infrastructure, where no final record stands. */
export const FAILED_RETRIABLE = `
INSERT INTO public.idempotency_tracking AS i (
  command_type, idempotency_key, state, fingerprint, field_hashes, contract_version, transaction_id, claimed_at, expires_at
)
SELECT $1, $2, 'FAILED_RETRIABLE', decode($3, 'hex'), $4, ${CONTRACT_VERSION}, $5::uuid, t.now, t.now + interval '168 hours'
FROM (SELECT app.now() AS now) AS t
ON CONFLICT (command_type, idempotency_key) DO UPDATE SET
  state = excluded.state, fingerprint = excluded.fingerprint, field_hashes = excluded.field_hashes,
  contract_version = excluded.contract_version, response = NULL, transaction_id = excluded.transaction_id,
  claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
WHERE i.expires_at <= excluded.claimed_at`
