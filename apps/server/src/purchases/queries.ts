import { presentPurchase, type StoredPurchase } from "@credit/domain/Purchase"
import type { Purchases } from "@credit/rpc/Purchases"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { decodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { ALWAYS } from "../ledger/Period.ts"
import { fromMillis, jsonRows, PURCHASE_COLUMNS } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { type Read, snapshot } from "../merchants/Snapshot.ts"

/**
 * Purchases of a user ($1), newest first, before a place ($2, $3), $4 of them: by the user's receipts, of which each purchase
 * has one, issued in the same instant.
 */
export const OF_USER = `
SELECT ${jsonRows(`
  SELECT ${PURCHASE_COLUMNS} FROM public.receipts AS r
  JOIN public.purchases AS p ON p.external_ref = r.external_ref
  WHERE r.user_id = $1 AND (r.issued_at, r.receipt_number) < (${fromMillis("$2::bigint")}, $3::text)
  ORDER BY r.issued_at DESC, r.receipt_number DESC
  LIMIT $4::integer`)}::text AS json`

/** The purchase of a payment reference ($1). */
export const BY_REFERENCE = `
SELECT ${jsonRows(`SELECT ${PURCHASE_COLUMNS} FROM public.purchases AS p WHERE p.external_ref = $1`)}::text AS json`

/** Purchases whose reference begins with $1, after another ($2), by reference, $3 of them. No reference goes beyond '~'. */
export const BY_PREFIX = `
SELECT ${jsonRows(`
  SELECT ${PURCHASE_COLUMNS} FROM public.purchases AS p
  WHERE p.external_ref >= $1::text AND p.external_ref < $1::text || chr(127) AND p.external_ref > $2::text
  ORDER BY p.external_ref
  LIMIT $3::integer`)}::text AS json`

/** A user's purchases, newest first, before a place, as many as told. */
export const purchasesOfUser = (read: Read, userId: string, count: number, before: ReadonlyArray<string> = START) =>
  read<ReadonlyArray<StoredPurchase>>(OF_USER, [userId, ...before, `${count}`])

const START = [`${ALWAYS.to}`, ""]

export const listPurchases = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Purchases, "ListPurchases">
) {
  const limit = request.limit ?? PAGE_SIZE
  const before = yield* decodeCursor(request.cursor, ["instant", "text"])
  const found = yield* snapshot(database, (read) => purchasesOfUser(read, request.userId, limit + 1, before))
  const { next, rows } = page(found, limit, (purchase) => [purchase.purchasedAt, purchase.receiptNumber])
  const answer: RpcSuccessEncoded<typeof Purchases, "ListPurchases"> = { purchases: rows.map(presentPurchase), ...next }
  return answer
})

export const searchUsersByPurchaseRef = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Purchases, "SearchUsersByPurchaseRef">
) {
  const limit = request.limit ?? PAGE_SIZE
  const [after = ""] = (yield* decodeCursor(request.cursor, ["text"])) ?? []
  const found = yield* snapshot(database, (read) =>
    request.match === "prefix"
      ? read<ReadonlyArray<StoredPurchase>>(BY_PREFIX, [request.externalRef, after, `${limit + 1}`])
      : read<ReadonlyArray<StoredPurchase>>(BY_REFERENCE, [request.externalRef])
  )
  const { next, rows } = page(found, limit, (purchase) => [purchase.externalRef])
  const answer: RpcSuccessEncoded<typeof Purchases, "SearchUsersByPurchaseRef"> = {
    purchases: rows.map(presentPurchase),
    ...next
  }
  return answer
})
