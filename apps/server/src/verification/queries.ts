import { createHash } from "node:crypto"
import { UserId } from "@credit/domain/Ids"
import type { ServiceUnavailable } from "@credit/rpc/Errors"
import type { VerificationPart } from "@credit/rpc/Verification"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { jsonRows } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { analysis } from "../merchants/Snapshot.ts"
import { type Problem, type PurchaseRow, purchaseProblems, type ReceiptRow, receiptProblems } from "./receipts.ts"

type Part = typeof VerificationPart.Type

/** What one read looks at, at most. */
const ACCOUNTS = 500
const ENTRIES = 2000
export const RECEIPTS_A_TIME = 500

/** How many faults are told. The rest are counted. */
export const FAULTS_TOLD = 100

/** The next accounts after an id ($1), or further entries of the one that is under way ($2): see the function. */
export const NEXT_ACCOUNTS = `
SELECT row_to_json(v)::text AS json FROM app.verify_accounts($1, $2::jsonb, $3::integer, $4::integer) AS v`

/** The next receipts after a year and a number ($1, $2), each with the number that its purchase has. */
export const NEXT_RECEIPTS = `
SELECT ${jsonRows(`
  SELECT r.year, r.number, r.receipt_number AS "receiptNumber", r.external_ref AS "externalRef", r.user_id AS "userId",
    (SELECT p.receipt_number FROM public.purchases AS p WHERE p.external_ref = r.external_ref) AS "ofPurchase"
  FROM public.receipts AS r
  WHERE (r.year, r.number) > ($1::integer, $2::bigint)
  ORDER BY r.year, r.number
  LIMIT $3::integer`)}::text AS json`

/** The last number that was given. */
export const COUNTER = `
SELECT json_build_object('year', c.year, 'number', c.last_number)::text AS json FROM public.receipt_counter AS c`

/** The next purchases after a reference ($1), each with the purchase that the receipt it names is of. */
export const NEXT_PURCHASES = `
SELECT ${jsonRows(`
  SELECT p.external_ref AS "externalRef", p.user_id AS "userId", p.receipt_number AS "receiptNumber",
    (SELECT r.external_ref FROM public.receipts AS r WHERE r.receipt_number = p.receipt_number) AS "ofReceipt"
  FROM public.purchases AS p
  WHERE p.external_ref > $1
  ORDER BY p.external_ref
  LIMIT $2::integer`)}::text AS json`

/** What app.verify_accounts answers. */
interface AccountsPiece {
  readonly after: string
  readonly going: unknown
  readonly done: boolean
  readonly accounts: number
  readonly entries: number
  readonly heads: string
  readonly faults: ReadonlyArray<Problem>
}

/** Where a verification is: at accounts, then at receipts, then at purchases. */
type Place =
  | { readonly at: "accounts"; readonly after: string; readonly going: unknown }
  | { readonly at: "receipts"; readonly year: number; readonly number: number }
  | { readonly at: "purchases"; readonly after: string }

/** What a read found, and where the next one goes on; `undefined` after the last. */
interface Piece {
  readonly accounts: number
  readonly entries: number
  readonly receipts: number
  readonly userId: string | undefined
  readonly heads: string
  readonly problems: ReadonlyArray<Problem>
  readonly next: Place | undefined
}

const nothing = { accounts: 0, entries: 0, receipts: 0, userId: undefined, heads: "" }

const readAccounts = (
  database: MerchantDatabase,
  after: string,
  going: unknown
): Effect.Effect<Piece, ServiceUnavailable> =>
  Effect.map(
    analysis(database, (read) =>
      read<AccountsPiece>(NEXT_ACCOUNTS, [
        after,
        going === null ? null : JSON.stringify(going),
        `${ACCOUNTS}`,
        `${ENTRIES}`
      ])
    ),
    ({ accounts, done, entries, faults, heads, ...place }) => ({
      ...nothing,
      accounts,
      entries,
      userId: place.after === "" ? undefined : place.after,
      heads,
      problems: faults,
      next: done ? { at: "receipts", year: 0, number: 0 } : { at: "accounts", ...place }
    })
  )

const readReceipts = (
  database: MerchantDatabase,
  year: number,
  number: number
): Effect.Effect<Piece, ServiceUnavailable> =>
  analysis(database, (read) =>
    Effect.gen(function* () {
      const rows = yield* read<ReadonlyArray<ReceiptRow>>(NEXT_RECEIPTS, [`${year}`, `${number}`, `${RECEIPTS_A_TIME}`])
      const last = rows.at(-1) ?? { year, number }
      const more = rows.length === RECEIPTS_A_TIME
      // Of the same state of the database as the last receipt.
      const counter = more ? undefined : yield* read<{ readonly year: number; readonly number: number }>(COUNTER)
      const next: Place = more
        ? { at: "receipts", year: last.year, number: last.number }
        : { at: "purchases", after: "" }
      return { ...nothing, receipts: rows.length, problems: receiptProblems({ year, number }, rows, counter), next }
    })
  )

const readPurchases = (database: MerchantDatabase, after: string): Effect.Effect<Piece, ServiceUnavailable> =>
  Effect.map(
    analysis(database, (read) => read<ReadonlyArray<PurchaseRow>>(NEXT_PURCHASES, [after, `${RECEIPTS_A_TIME}`])),
    (rows) => {
      const last = rows.at(-1)
      return {
        ...nothing,
        problems: rows.flatMap(purchaseProblems),
        next:
          last !== undefined && rows.length === RECEIPTS_A_TIME
            ? { at: "purchases", after: last.externalRef }
            : undefined
      }
    }
  )

const readPiece = (database: MerchantDatabase, place: Place): Effect.Effect<Piece, ServiceUnavailable> => {
  switch (place.at) {
    case "accounts":
      return readAccounts(database, place.after, place.going)
    case "receipts":
      return readReceipts(database, place.year, place.number)
    case "purchases":
      return readPurchases(database, place.after)
  }
}

/** What a verification has come to. */
interface Sums {
  readonly accounts: number
  readonly entries: number
  readonly receipts: number
  readonly faults: number
  readonly userId: string | undefined
}

const add = (sums: Sums, piece: Piece): Sums => ({
  accounts: sums.accounts + piece.accounts,
  entries: sums.entries + piece.entries,
  receipts: sums.receipts + piece.receipts,
  faults: sums.faults + piece.problems.length,
  userId: piece.userId ?? sums.userId
})

/**
 * The elements of a verification. Each piece is read when what came of the one before was taken, in a transaction of its
 * own: whoever reads slowly holds nothing in the database, and nothing here grows with the ledger.
 */
export const verifyLedger = (database: MerchantDatabase): Stream.Stream<Part, ServiceUnavailable> =>
  Stream.suspend(() => {
    const digest = createHash("sha256")
    const first: { readonly place: Place; readonly sums: Sums } = {
      place: { at: "accounts", after: "", going: null },
      sums: { accounts: 0, entries: 0, receipts: 0, faults: 0, userId: undefined }
    }
    return Stream.paginate(first, ({ place, sums: before }) =>
      Effect.map(readPiece(database, place), (piece) => {
        digest.update(piece.heads, "utf8")
        const sums = add(before, piece)
        const told = piece.problems.slice(0, Math.max(0, FAULTS_TOLD - before.faults))
        return [
          [
            ...told.map(faultPart),
            piece.next === undefined ? verdictPart(sums, digest.digest("hex")) : progressPart(sums)
          ],
          Option.map(Option.fromNullishOr(piece.next), (next) => ({ place: next, sums }))
        ]
      })
    )
  })

const whose = (userId: string | null | undefined) =>
  userId === null || userId === undefined ? {} : { userId: UserId.make(userId) }

const faultPart = ({ problem, userId }: Problem): Part => ({ _tag: "Fault", ...whose(userId), problem })

const progressPart = ({ accounts, entries, receipts, userId }: Sums): Part => ({
  _tag: "Progress",
  accounts,
  entries,
  receipts,
  ...whose(userId)
})

const verdictPart = ({ accounts, entries, faults, receipts }: Sums, digest: string): Part => ({
  _tag: "Verdict",
  verdict: faults === 0 ? "intact" : "faulty",
  accounts,
  entries,
  receipts,
  faults,
  digest
})
