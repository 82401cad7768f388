import { type EntryState, presentEntry } from "@credit/domain/LedgerEntry"
import { InvalidRequest } from "@credit/domain/Refusal"
import { timestampText } from "@credit/domain/Timestamp"
import { MAX_PERIOD_DAYS } from "@credit/rpc/Page"
import type { ReasonTotal, Statements } from "@credit/rpc/Statements"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { decodeCursor, encodeCursor, PAGE_SIZE } from "../ledger/Cursor.ts"
import { ALWAYS, periodOf } from "../ledger/Period.ts"
import { ENTRY_COLUMNS, fromMillis, jsonRows } from "../ledger/rows.ts"
import { dueExpiries, readStanding, type Standing } from "../ledger/Standing.ts"
import { TOTALS, withDue } from "../ledger/Totals.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { analysis, type Read, snapshot } from "../merchants/Snapshot.ts"

/**
 * A user's ($1) first entry that became true at an instant ($2) or later, and the balance before it. Entries are in the order
 * in which they became true as well as in that in which they were booked; what was booked after the instant but was true
 * before it (expiries that nobody had touched the account to book) comes first, and is few.
 */
export const BOUNDARY = `
SELECT (SELECT row_to_json(x) FROM (
  SELECT app.epoch_milliseconds(e.created_at) AS "createdAt", e.seq, e.balance_after - e.amount AS before
  FROM public.ledger_entries AS e
  WHERE e.user_id = $1
    AND e.created_at >= ${fromMillis("$2::bigint")}
    AND e.effective_at >= ${fromMillis("$2::bigint")}
  ORDER BY e.created_at, e.seq
  LIMIT 1
) AS x)::text AS json`

/** A user's ($1) entries from a place ($2, $3) up to, not with, another ($4, $5), in order, $6 of them. */
export const MOVEMENTS = `
SELECT ${jsonRows(`
  SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e
  WHERE e.user_id = $1
    AND e.created_at >= ${fromMillis("$2::bigint")} AND (e.created_at, e.seq) >= (${fromMillis("$2::bigint")}, $3::bigint)
    AND e.created_at <= ${fromMillis("$4::bigint")} AND (e.created_at, e.seq) < (${fromMillis("$4::bigint")}, $5::bigint)
  ORDER BY e.created_at, e.seq
  LIMIT $6::integer`)}::text AS json`

/** A place in an account's entries: before the entry that stands there. */
interface Boundary {
  readonly createdAt: number
  readonly seq: number
  /** The balance there, as booked. */
  readonly before: number
}

/** Before everything that became true at `instant` or later; the end, if nothing did. */
const boundary = (read: Read, { account }: Standing, instant: number) =>
  Effect.map(
    read<Boundary | null>(BOUNDARY, [account.userId, `${instant}`]),
    (found): Boundary => found ?? { createdAt: ALWAYS.to, seq: 0, before: account.balance }
  )

const dueBefore = (standing: Standing, instant: number) =>
  dueExpiries(standing).filter(({ effectiveAt }) => Date.parse(effectiveAt) < instant)

const sumOf = (movements: ReadonlyArray<{ readonly amount: number }>) =>
  movements.reduce((sum, { amount }) => sum + amount, 0)

const balanceBefore = (read: Read, standing: Standing, instant: number) =>
  Effect.map(boundary(read, standing, instant), ({ before }) => before + sumOf(dueBefore(standing, instant)))

export const getBalanceAt = (database: MerchantDatabase, request: RpcPayload<typeof Statements, "GetBalanceAt">) =>
  snapshot(database, (read) =>
    Effect.gen(function* () {
      const standing = yield* readStanding(read, request.userId)
      const at = DateTime.toEpochMillis(request.at)
      if (at > standing.now) return yield* new InvalidRequest({ field: "at", message: "is still to come" })
      const balance = yield* balanceBefore(read, standing, at + 1)
      const answer: RpcSuccessEncoded<typeof Statements, "GetBalanceAt"> = {
        userId: request.userId,
        at: timestampText(at),
        balance,
        // Spendable credits and debt never coexist (rule 3): a balance below zero is all debt.
        debt: Math.max(0, -balance),
        currency: "credits"
      }
      return answer
    })
  )

export const getStatement = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Statements, "GetStatement">
) {
  const period = yield* periodOf(request, MAX_PERIOD_DAYS)
  const limit = request.limit ?? PAGE_SIZE
  const cursor = yield* decodeCursor(request.cursor, ["instant", "instant", "number"])
  // The first page sums up the whole period; the others are lookups.
  const reading = cursor === undefined ? analysis : snapshot
  return yield* reading(database, (read) =>
    Effect.gen(function* () {
      const standing = yield* readStanding(read, request.userId)
      if (period.from > standing.now) return yield* new InvalidRequest({ field: "from", message: "is still to come" })
      const [first = standing.now, createdAt, seq] = cursor?.map(Number) ?? []
      // Further pages tell of the first one's instant; nobody tells of one to come.
      const asOf = Math.min(first, standing.now)
      const end = Math.min(period.to, asOf + 1)
      const begins = yield* boundary(read, standing, period.from)
      const ends = yield* boundary(read, standing, end)
      const range = [
        request.userId,
        `${begins.createdAt}`,
        `${begins.seq}`,
        `${ends.createdAt}`,
        `${ends.seq}`
      ] as const
      const start =
        createdAt === undefined || seq === undefined
          ? range
          : ([request.userId, `${createdAt}`, `${seq}`, ...range.slice(3)] as const)
      const found = yield* read<ReadonlyArray<EntryState>>(MOVEMENTS, [...start, `${limit + 1}`])
      const due = dueBefore(standing, end)
      const dueWithin = due.filter(({ effectiveAt }) => Date.parse(effectiveAt) >= period.from)
      const following = found[limit]
      const totals =
        cursor === undefined ? withDue(yield* read<ReadonlyArray<Total>>(TOTALS, range), dueWithin) : undefined
      const answer: RpcSuccessEncoded<typeof Statements, "GetStatement"> = {
        userId: request.userId,
        from: timestampText(period.from),
        to: DateTime.formatIso(request.to),
        asOf: timestampText(Math.min(asOf, period.to)),
        complete: asOf >= period.to,
        opening: begins.before + sumOf(due) - sumOf(dueWithin),
        closing: ends.before + sumOf(due),
        entries: found.slice(0, limit).map(presentEntry),
        due: following === undefined ? dueWithin : [],
        ...(totals === undefined ? {} : { totals }),
        ...(following === undefined ? {} : { nextCursor: encodeCursor([asOf, following.createdAt, following.seq]) })
      }
      return answer
    })
  )
})

type Total = typeof ReasonTotal.Encoded
