import type { EntryState } from "@credit/domain/LedgerEntry"
import { InvalidRequest } from "@credit/domain/Refusal"
import { MINUTE } from "@credit/domain/Timestamp"
import type { ServiceUnavailable } from "@credit/rpc/Errors"
import type { ExportPart, Exports } from "@credit/rpc/Exports"
import type { RpcPayload } from "@credit/rpc/types"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { decodeCursor, encodeCursor, notACursor } from "../ledger/Cursor.ts"
import { ALWAYS } from "../ledger/Period.ts"
import { ENTRY_COLUMNS, fromMillis, jsonRows } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { analysis, snapshot } from "../merchants/Snapshot.ts"
import { type ExportFormat, formats } from "./Format.ts"

type Payload = RpcPayload<typeof Exports, "ExportLedger">
type Part = typeof ExportPart.Type

/** How many entries a part has at most. A caller that does not read has some dozens of parts waiting for it, no more. */
export const PART_SIZE = 200

/**
 * How many entries of a month one statement looks through at most for those of the time asked for, so that a short time in a
 * month of millions is found by many short statements.
 */
export const LOOKED_THROUGH = 20_000

/** Only what is older is exported. No transaction lasts so long: whatever is dated before is written by then. */
const SETTLED_AFTER = MINUTE

/** The merchant's clock, and where the ledger's first month begins. */
export const LEDGER = `
SELECT json_build_object(
  'now', app.epoch_milliseconds(app.now()),
  'begins', (
    SELECT min(to_char(to_date(right(c.relname, 7), 'YYYY_MM'), 'YYYY-MM-DD'))
    FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.ledger_entries'::regclass
  )
)::text AS json`

/** The next entries of a month [$1, $2) after an id ($3). */
const OF_MONTH = `
  FROM public.ledger_entries AS e
  WHERE e.created_at >= ${fromMillis("$1::bigint")} AND e.created_at < ${fromMillis("$2::bigint")}
    AND e.entry_id > $3::uuid
  ORDER BY e.entry_id`

/** Those of a time [$4, $5) among them, $6 of them. */
export const MONTH = `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} FROM (SELECT e.* ${OF_MONTH} LIMIT ${LOOKED_THROUGH}) AS e
  WHERE e.created_at >= ${fromMillis("$4::bigint")} AND e.created_at < ${fromMillis("$5::bigint")}
  ORDER BY e.entry_id
  LIMIT $6::integer`)}::text AS json`

/** The last of the entries that were looked through; null at the month's end. */
export const MONTH_SEEN = `
SELECT (
  SELECT to_json(e.entry_id) FROM (SELECT e.entry_id ${OF_MONTH} OFFSET ${LOOKED_THROUGH - 1} LIMIT 1) AS e
)::text AS json`

/** Entries of a user ($1) from a place ($2, $3) on and before an instant ($4), $5 of them. */
export const OF_USER = `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e
  WHERE e.user_id = $1
    AND e.created_at >= ${fromMillis("$2::bigint")} AND (e.created_at, e.seq) > (${fromMillis("$2::bigint")}, $3::bigint)
    AND e.created_at < ${fromMillis("$4::bigint")}
  ORDER BY e.created_at, e.seq
  LIMIT $5::integer`)}::text AS json`

/** The entries of [from, to), in the order of the export, from a place on. */
interface Source {
  readonly from: number
  readonly to: number
  /** The next entries from a place on, and the place after them; `undefined` after the last. */
  readonly next: (
    place: ReadonlyArray<string>
  ) => Effect.Effect<
    { readonly entries: ReadonlyArray<EntryState>; readonly place: ReadonlyArray<string> | undefined },
    ServiceUnavailable
  >
}

const FIRST_UUID = "00000000-0000-0000-0000-000000000000"

/** Month by month, by entry id: the order of the primary key of each month's table. */
const wholeLedger = (database: MerchantDatabase, from: number, to: number): Source => ({
  from,
  to,
  next: ([month = "", entryId = FIRST_UUID]) =>
    analysis(database, (read) =>
      Effect.gen(function* () {
        const end = monthAfter(Number(month))
        const range = [month, `${end}`, entryId]
        const entries = yield* read<ReadonlyArray<EntryState>>(MONTH, [...range, `${from}`, `${to}`, `${PART_SIZE}`])
        const last = entries.at(-1)
        if (last !== undefined && entries.length === PART_SIZE) return { entries, place: [month, last.entryId] }
        const seen = yield* read<string | null>(MONTH_SEEN, range)
        if (seen !== null) return { entries, place: [month, seen] }
        return { entries, place: end >= to ? undefined : [`${end}`, FIRST_UUID] }
      })
    )
})

const monthOf = (instant: number): number => {
  const date = new Date(instant)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
}

const monthAfter = (month: number): number => {
  const date = new Date(month)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}

const ofUser = (database: MerchantDatabase, userId: string, from: number, to: number): Source => ({
  from,
  to,
  next: (place) =>
    Effect.map(
      analysis(database, (read) =>
        read<ReadonlyArray<EntryState>>(OF_USER, [userId, ...place, `${to}`, `${PART_SIZE}`])
      ),
      (entries) => {
        const last = entries.at(-1)
        const more = last !== undefined && entries.length === PART_SIZE
        return { entries, place: more ? [`${last.createdAt}`, `${last.seq}`] : undefined }
      }
    )
})

/**
 * The parts of an export. Each is read when the one before it was taken, in a transaction of its own: whoever reads slowly
 * holds nothing in the database.
 */
export const exportLedger = (
  database: MerchantDatabase,
  payload: Payload
): Stream.Stream<Part, InvalidRequest | ServiceUnavailable> =>
  Stream.unwrap(
    Effect.map(begin(database, payload), ({ place, source }) => {
      const format = formats[payload.format]
      return Stream.paginate({ place, header: payload.cursor === undefined ? format.header : "" }, (state) =>
        Effect.map(source.next(state.place), ({ entries, place: next }) => [
          // Nothing is sent for a stretch without entries, but for the header of an export that has none at all.
          entries.length > 0 || (next === undefined && state.header !== "")
            ? [part(format, state.header, entries, source, next ?? END, payload.userId !== undefined)]
            : [],
          Option.map(Option.fromNullishOr(next), (following) => ({
            place: following,
            header: entries.length > 0 ? "" : state.header
          }))
        ])
      )
    })
  )

/** The place after everything. */
const END: ReadonlyArray<string> = []

const part = (
  format: ExportFormat,
  header: string,
  entries: ReadonlyArray<EntryState>,
  source: Source,
  place: ReadonlyArray<string>,
  ofOneUser: boolean
): Part => ({
  text: header + entries.map(format.line).join(""),
  entries: entries.length,
  cursor: encodeCursor([ofOneUser ? 1 : 0, source.from, source.to, place.join(" ")])
})

/** Where an export begins or goes on, with its time fixed. */
const begin = Effect.fnUntraced(function* (database: MerchantDatabase, payload: Payload) {
  const { begins, now } = yield* snapshot(database, (read) =>
    read<{ readonly now: number; readonly begins: string }>(LEDGER)
  )
  const resumed = yield* resume(payload)
  const settled = now - SETTLED_AFTER
  const to = resumed?.to ?? (payload.to === undefined ? settled : DateTime.toEpochMillis(payload.to))
  const from = resumed?.from ?? (payload.from === undefined ? ALWAYS.from : DateTime.toEpochMillis(payload.from))
  if (to > settled) return yield* invalid("to", "must be a minute ago or earlier, so that nothing can be missed")
  if (payload.from !== undefined && from >= to) return yield* invalid("to", "must be later than from")
  const source =
    payload.userId === undefined ? wholeLedger(database, from, to) : ofUser(database, payload.userId, from, to)
  const first =
    payload.userId === undefined ? [`${monthOf(Math.max(from, Date.parse(begins)))}`, FIRST_UUID] : [`${from}`, "0"]
  return { source: resumed?.place === END ? nothing(source) : source, place: resumed?.place ?? first }
})

const nothing = (source: Source): Source => ({
  ...source,
  next: () => Effect.succeed({ entries: [], place: undefined })
})

/** The time and place in a cursor, which must be one of an export of the same kind and time. */
const resume = Effect.fnUntraced(function* (payload: Payload) {
  const parts = yield* decodeCursor(payload.cursor, ["number", "instant", "instant", "text"])
  if (parts === undefined) return undefined
  const [kind, from, to, text = ""] = parts
  const ofOneUser = kind === "1"
  const [first = "", second = "", ...more] = text.split(" ")
  const place = text === "" ? END : [first, second]
  const isPlace =
    text === "" || (more.length === 0 && /^\d{1,15}$/.test(first) && (ofOneUser ? /^\d{1,15}$/ : UUID).test(second))
  const sameTime =
    (payload.from === undefined || DateTime.toEpochMillis(payload.from) === Number(from)) &&
    (payload.to === undefined || DateTime.toEpochMillis(payload.to) === Number(to))
  if (!isPlace || ofOneUser !== (payload.userId !== undefined) || !sameTime) return yield* notACursor
  return { from: Number(from), to: Number(to), place }
})

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const invalid = (field: string, message: string) => Effect.fail(new InvalidRequest({ field, message }))
