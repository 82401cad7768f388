import { asOf, due, presentBalance } from "@credit/domain/decide"
import { type EntryState, presentEntry } from "@credit/domain/LedgerEntry"
import { type LotState, presentLot } from "@credit/domain/Lot"
import { timestampText } from "@credit/domain/Timestamp"
import type { Accounts } from "@credit/rpc/Accounts"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { decodeCursor, PAGE_SIZE, page } from "./Cursor.ts"
import { ENTRY_COLUMNS, fromMillis, jsonRows, LOT_COLUMNS } from "./rows.ts"
import { sharedStanding } from "./SharedStandings.ts"

/** Entries of a user ($1), newest first, before a cursor ($2, $3), within [from $4, to $5), of reasons ($6), $7 of them. */
const HISTORY = `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e
  WHERE e.user_id = $1
    AND ($2::bigint IS NULL OR (
      e.created_at <= ${fromMillis("$2::bigint")}
      AND (e.created_at, e.seq) < (${fromMillis("$2::bigint")}, $3::bigint)
    ))
    AND ($4::timestamptz IS NULL OR e.created_at >= $4::timestamptz)
    AND ($5::timestamptz IS NULL OR e.created_at < $5::timestamptz)
    AND ($6::text IS NULL OR e.reason = ANY (ARRAY (SELECT json_array_elements_text($6::json))))
  ORDER BY e.created_at DESC, e.seq DESC
  LIMIT $7::integer`)}::text AS json`

/** Lots of a user ($1), newest first, before a cursor ($2), active ones only if so told ($3), $4 of them. */
const LOTS = `
SELECT ${jsonRows(`
  SELECT ${LOT_COLUMNS} FROM public.lots AS l
  WHERE l.user_id = $1 AND ($2::uuid IS NULL OR l.lot_id < $2::uuid) AND (NOT $3::boolean OR l.active)
  ORDER BY l.lot_id DESC
  LIMIT $4::integer`)}::text AS json`

export const getUserBalance = (database: MerchantDatabase, { userId }: RpcPayload<typeof Accounts, "GetUserBalance">) =>
  Effect.map(
    sharedStanding(database, userId),
    ({ account, now, order }): RpcSuccessEncoded<typeof Accounts, "GetUserBalance"> =>
      presentBalance(account, order, now)
  )

export const getLedgerHistory = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Accounts, "GetLedgerHistory">
) {
  const limit = request.limit ?? PAGE_SIZE
  const [createdAt, seq] = (yield* decodeCursor(request.cursor, ["number", "number"])) ?? []
  const read = database.json<ReadonlyArray<EntryState>>(HISTORY, [
    request.userId,
    createdAt ?? null,
    seq ?? null,
    request.from === undefined ? null : DateTime.formatIso(request.from),
    request.to === undefined ? null : DateTime.formatIso(request.to),
    request.reasons === undefined ? null : JSON.stringify(request.reasons),
    `${limit + 1}`
  ])
  const { next, rows } = page(yield* read, limit, (entry) => [entry.createdAt, entry.seq])
  const unfiltered =
    request.cursor === undefined &&
    request.from === undefined &&
    request.to === undefined &&
    request.reasons === undefined
  const answer: RpcSuccessEncoded<typeof Accounts, "GetLedgerHistory"> = {
    entries: rows.map(presentEntry),
    due: unfiltered ? yield* dueExpiries(database, request.userId) : [],
    ...next
  }
  return answer
})

const dueExpiries = (database: MerchantDatabase, userId: string) =>
  Effect.map(sharedStanding(database, userId), ({ account, now }) =>
    due(account, now).expiries.map(({ amount, effectiveAt, lot }) => ({
      lotId: lot.lotId,
      amount: -amount,
      effectiveAt: timestampText(effectiveAt)
    }))
  )

export const listLots = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Accounts, "ListLots">
) {
  const limit = request.limit ?? PAGE_SIZE
  const activeOnly = request.activeOnly ?? false
  const [lotId] = (yield* decodeCursor(request.cursor, ["string"])) ?? []
  const found = yield* database.json<ReadonlyArray<LotState>>(LOTS, [
    request.userId,
    lotId ?? null,
    `${activeOnly}`,
    `${limit + 1}`
  ])
  const { account, now } = yield* sharedStanding(database, request.userId)
  const remaining = new Map(asOf(account, now).lots.map((lot) => [lot.lotId, lot.remaining]))
  const { next, rows } = page(found, limit, (lot) => [lot.lotId])
  const lots = rows.map((lot) => ({ ...lot, remaining: remaining.get(lot.lotId) ?? 0 }))
  const answer: RpcSuccessEncoded<typeof Accounts, "ListLots"> = {
    lots: lots.filter((lot) => !activeOnly || lot.remaining > 0).map(presentLot),
    ...next
  }
  return answer
})
