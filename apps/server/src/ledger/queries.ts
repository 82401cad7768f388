import { asOf, presentBalance } from "@credit/domain/decide"
import { type EntryState, presentEntry } from "@credit/domain/LedgerEntry"
import { type LotState, presentLot } from "@credit/domain/Lot"
import type { Accounts } from "@credit/rpc/Accounts"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { type Read, snapshot } from "../merchants/Snapshot.ts"
import { decodeCursor, encodeCursor, PAGE_SIZE, page } from "./Cursor.ts"
import { ALWAYS, openPeriod } from "./Period.ts"
import { ENTRY_COLUMNS, fromMillis, jsonRows, LOT_COLUMNS } from "./rows.ts"
import { sharedStanding } from "./SharedStandings.ts"
import { dueExpiries, readStanding, readStandings } from "./Standing.ts"

/**
 * How many entries of a user one page looks through for those it is to show, where a filter may leave out nearly all of
 * them. A page ends there, with a cursor from which the next goes on.
 */
export const LOOKED_THROUGH = 5000

/** Where a user's ($1) entries stand before a place ($2, $3) and not before an instant ($4), newest first. */
const BACKWARDS = `
  FROM public.ledger_entries AS e
  WHERE e.user_id = $1
    AND e.created_at <= ${fromMillis("$2::bigint")}
    AND (e.created_at, e.seq) < (${fromMillis("$2::bigint")}, $3::bigint)
    AND e.created_at >= ${fromMillis("$4::bigint")}
  ORDER BY e.created_at DESC, e.seq DESC`

/** $5 entries. Every bound is there always: one that may be missing could not bound the part of the index that is read. */
export const HISTORY = `
SELECT ${jsonRows(`SELECT ${ENTRY_COLUMNS} ${BACKWARDS} LIMIT $5::integer`)}::text AS json`

/** $5 entries of some reasons ($6, a JSON array), out of the next few. */
export const HISTORY_OF_REASONS = `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} FROM (SELECT e.* ${BACKWARDS} LIMIT ${LOOKED_THROUGH}) AS e
  WHERE e.reason IN (SELECT json_array_elements_text($6::json))
  ORDER BY e.created_at DESC, e.seq DESC
  LIMIT $5::integer`)}::text AS json`

/** The last of the entries that were looked through; null if there were fewer. */
export const HISTORY_SEEN = `
SELECT (
  SELECT json_build_array(app.epoch_milliseconds(e.created_at), e.seq)
  FROM (SELECT e.created_at, e.seq ${BACKWARDS} OFFSET ${LOOKED_THROUGH - 1} LIMIT 1) AS e
)::text AS json`

/** Lots of a user ($1), newest first, before an id ($2), $3 of them. */
export const LOTS = `
SELECT ${jsonRows(`
  SELECT ${LOT_COLUMNS} FROM public.lots AS l
  WHERE l.user_id = $1 AND l.lot_id < $2::uuid
  ORDER BY l.lot_id DESC
  LIMIT $3::integer`)}::text AS json`

/** As above, those with credits left: out of all such lots of the user, as every command reads them. */
export const ACTIVE_LOTS = `
WITH active AS MATERIALIZED (SELECT * FROM public.lots AS l WHERE l.user_id = $1 AND l.active)
SELECT ${jsonRows(`
  SELECT ${LOT_COLUMNS} FROM active AS l WHERE l.lot_id < $2::uuid ORDER BY l.lot_id DESC LIMIT $3::integer`)}::text AS json`

const LAST_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

export const getUserBalance = (database: MerchantDatabase, { userId }: RpcPayload<typeof Accounts, "GetUserBalance">) =>
  Effect.map(
    sharedStanding(database, userId),
    ({ account, now, order }): RpcSuccessEncoded<typeof Accounts, "GetUserBalance"> =>
      presentBalance(account, order, now)
  )

export const getUserBalances = (
  database: MerchantDatabase,
  { userIds }: RpcPayload<typeof Accounts, "GetUserBalances">
) =>
  Effect.map(
    snapshot(database, (read) => readStandings(read, userIds)),
    (standingOf): RpcSuccessEncoded<typeof Accounts, "GetUserBalances"> => ({
      balances: userIds.map(standingOf).map(({ account, now, order }) => presentBalance(account, order, now))
    })
  )

export const getLedgerHistory = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Accounts, "GetLedgerHistory">
) {
  const limit = request.limit ?? PAGE_SIZE
  const { from, to } = openPeriod(request)
  // Before `to` is before its first entry.
  const place = (yield* decodeCursor(request.cursor, ["instant", "number"])) ?? [`${to}`, "0"]
  const first = request.cursor === undefined && request.from === undefined && request.to === undefined
  const range = [request.userId, ...place, `${from}`]
  return yield* snapshot(database, (read) =>
    Effect.gen(function* () {
      const { next, rows } = yield* request.reasons === undefined
        ? history(read, range, limit)
        : historyOfReasons(read, range, limit, request.reasons)
      const answer: RpcSuccessEncoded<typeof Accounts, "GetLedgerHistory"> = {
        entries: rows.map(presentEntry),
        due: first && request.reasons === undefined ? dueExpiries(yield* readStanding(read, request.userId)) : [],
        ...next
      }
      return answer
    })
  )
})

const placeOf = (entry: EntryState) => [entry.createdAt, entry.seq]

const history = (read: Read, range: ReadonlyArray<string>, limit: number) =>
  Effect.map(read<ReadonlyArray<EntryState>>(HISTORY, [...range, `${limit + 1}`]), (found) =>
    page(found, limit, placeOf)
  )

const historyOfReasons = Effect.fnUntraced(function* (
  read: Read,
  range: ReadonlyArray<string>,
  limit: number,
  reasons: ReadonlyArray<string>
) {
  const asked = [...range, `${limit + 1}`, JSON.stringify(reasons)]
  const found = page(yield* read<ReadonlyArray<EntryState>>(HISTORY_OF_REASONS, asked), limit, placeOf)
  if (found.next.nextCursor !== undefined) return found
  const seen = yield* read<readonly [number, number] | null>(HISTORY_SEEN, range)
  return seen === null ? found : { rows: found.rows, next: { nextCursor: encodeCursor(seen) } }
})

/** The newest entries of a user, as many as told. */
export const latestEntries = (read: Read, userId: string, count: number) =>
  read<ReadonlyArray<EntryState>>(HISTORY, [userId, `${ALWAYS.to}`, "0", `${ALWAYS.from}`, `${count}`])

export const listLots = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Accounts, "ListLots">
) {
  const limit = request.limit ?? PAGE_SIZE
  const activeOnly = request.activeOnly ?? false
  const [lotId] = (yield* decodeCursor(request.cursor, ["uuid"])) ?? [LAST_UUID]
  return yield* snapshot(database, (read) =>
    Effect.gen(function* () {
      const found = yield* read<ReadonlyArray<LotState>>(activeOnly ? ACTIVE_LOTS : LOTS, [
        request.userId,
        lotId,
        `${limit + 1}`
      ])
      const { account, now } = yield* readStanding(read, request.userId)
      const remaining = new Map(asOf(account, now).lots.map((lot) => [lot.lotId, lot.remaining]))
      const { next, rows } = page(found, limit, (lot) => [lot.lotId])
      const lots = rows.map((lot) => ({ ...lot, remaining: remaining.get(lot.lotId) ?? 0 }))
      const answer: RpcSuccessEncoded<typeof Accounts, "ListLots"> = {
        lots: lots.filter((lot) => !activeOnly || lot.remaining > 0).map(presentLot),
        ...next
      }
      return answer
    })
  )
})
