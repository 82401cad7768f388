import { presentReceipt, type ReceiptState } from "@credit/domain/Receipt"
import { ReceiptNotFound, type Receipts } from "@credit/rpc/Receipts"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Effect from "effect/Effect"
import { decodeCursor, PAGE_SIZE, page } from "../ledger/Cursor.ts"
import { fromMillis, jsonRows, RECEIPT_COLUMNS } from "../ledger/rows.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"

const BY_NUMBER = `
SELECT ${jsonRows(`SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r WHERE r.receipt_number = $1`)}::text AS json`

const BY_REFERENCE = `
SELECT ${jsonRows(`SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r WHERE r.external_ref = $1`)}::text AS json`

/** Receipts of a user ($1), newest first, before a cursor ($2, $3), $4 of them. */
const OF_USER = `
SELECT ${jsonRows(`
  SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r
  WHERE r.user_id = $1
    AND ($2::bigint IS NULL OR (r.issued_at, r.receipt_number) < (${fromMillis("$2::bigint")}, $3::text))
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
  const [issuedAt, number] = (yield* decodeCursor(request.cursor, ["number", "string"])) ?? []
  const found = yield* database.json<ReadonlyArray<ReceiptState>>(OF_USER, [
    request.userId,
    issuedAt ?? null,
    number ?? null,
    `${limit + 1}`
  ])
  const { next, rows } = page(found, limit, (receipt) => [receipt.issuedAt, receipt.receiptNumber])
  const answer: RpcSuccessEncoded<typeof Receipts, "ListReceipts"> = { receipts: rows.map(presentReceipt), ...next }
  return answer
})
