import { presentReceipt, type ReceiptState } from "@credit/domain/Receipt"
import { ReceiptNotFound, type Receipts } from "@credit/rpc/Receipts"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { decodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { ALWAYS } from "../ledger/Period.ts"
import { fromMillis, jsonRows, RECEIPT_COLUMNS } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { snapshot } from "../merchants/Snapshot.ts"

export const BY_NUMBER = `
SELECT ${jsonRows(`SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r WHERE r.receipt_number = $1`)}::text AS json`

export const BY_REFERENCE = `
SELECT ${jsonRows(`SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r WHERE r.external_ref = $1`)}::text AS json`

/** Receipts of a user ($1), newest first, before a cursor ($2, $3), $4 of them. */
export const OF_USER = `
SELECT ${jsonRows(`
  SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r
  WHERE r.user_id = $1 AND (r.issued_at, r.receipt_number) < (${fromMillis("$2::bigint")}, $3::text)
  ORDER BY r.issued_at DESC, r.receipt_number DESC
  LIMIT $4::integer`)}::text AS json`

/** `owner` is the one user the caller may ask about; another's receipt does not exist for them. */
export const getReceipt = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Receipts, "GetReceipt">,
  owner: string | undefined
) {
  const read =
    "receiptNumber" in request
      ? database.json<ReadonlyArray<ReceiptState>>(BY_NUMBER, [request.receiptNumber])
      : database.json<ReadonlyArray<ReceiptState>>(BY_REFERENCE, [request.externalRef])
  const [receipt] = yield* read
  if (receipt === undefined || (owner !== undefined && receipt.userId !== owner)) return yield* new ReceiptNotFound({})
  const answer: RpcSuccessEncoded<typeof Receipts, "GetReceipt"> = presentReceipt(receipt)
  return answer
})

export const listReceipts = Effect.fnUntraced(function* (
  database: MerchantDatabase,
  request: RpcPayload<typeof Receipts, "ListReceipts">
) {
  const limit = request.limit ?? PAGE_SIZE
  const [issuedAt, number] = (yield* decodeCursor(request.cursor, ["instant", "text"])) ?? [`${ALWAYS.to}`, ""]
  const found = yield* snapshot(database, (read) =>
    read<ReadonlyArray<ReceiptState>>(OF_USER, [request.userId, issuedAt, number, `${limit + 1}`])
  )
  const { next, rows } = page(found, limit, (receipt) => [receipt.issuedAt, receipt.receiptNumber])
  const answer: RpcSuccessEncoded<typeof Receipts, "ListReceipts"> = { receipts: rows.map(presentReceipt), ...next }
  return answer
})
