import { timestampText } from "@credit/domain/Timestamp"
import type { AuditLog, AuditRecord } from "@credit/rpc/AuditLog"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { decodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { openPeriod } from "../ledger/Period.ts"
import { fromMillis, jsonRows } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { snapshot } from "../merchants/Snapshot.ts"

/** Records before a place ($1, $2) and not before an instant ($3), newest first, $4 of them. */
export const RECORDS = `
SELECT ${jsonRows(`
  SELECT
    l.audit_id AS "auditId", app.epoch_milliseconds(l.at) AS at, l.jti, l.actor, l.role, l.command,
    l.idempotency_key AS "idempotencyKey", l.transaction_id AS "transactionId", l.outcome, l.detail
  FROM public.audit_log AS l
  WHERE (l.at, l.audit_id) < (${fromMillis("$1::bigint")}, $2::uuid) AND l.at >= ${fromMillis("$3::bigint")}
  ORDER BY l.at DESC, l.audit_id DESC
  LIMIT $4::integer`)}::text AS json`

const FIRST_UUID = "00000000-0000-0000-0000-000000000000"

type Row = Omit<typeof AuditRecord.Encoded, "at" | "detail"> & {
  readonly at: number
  readonly detail: typeof AuditRecord.Encoded.detail | null
}

const present = ({ at, detail, ...record }: Row): typeof AuditRecord.Encoded => ({
  ...record,
  at: timestampText(at),
  ...(detail === null || detail === undefined ? {} : { detail })
})

export const listAuditLog = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof AuditLog, "ListAuditLog">
) {
  const limit = request.limit ?? PAGE_SIZE
  const { from, to } = openPeriod(request)
  const place = (yield* decodeCursor(request.cursor, ["instant", "uuid"])) ?? [`${to}`, FIRST_UUID]
  const found = yield* snapshot(database, (read) =>
    read<ReadonlyArray<Row>>(RECORDS, [...place, `${from}`, `${limit + 1}`])
  )
  const { next, rows } = page(found, limit, (record) => [record.at, record.auditId])
  const answer: RpcSuccessEncoded<typeof AuditLog, "ListAuditLog"> = { records: rows.map(present), ...next }
  return answer
})
