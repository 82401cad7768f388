import { InvalidRequest } from "@credit/domain/Refusal"
import * as Effect from "effect/Effect"

/** A page's default size. */
export const PAGE_SIZE = 100

/** The place after a row: its sort key, opaque to callers. Rows that are added do not move it. */
export const encodeCursor = (parts: ReadonlyArray<string | number>): string =>
  Buffer.from(JSON.stringify(parts)).toString("base64url")

/** What a part of a cursor must be, so that whatever it holds can be sent to the database. */
const PARTS = {
  /** Epoch milliseconds of the years 1970 to 9999. */
  instant: (part: unknown) => Number.isSafeInteger(part) && Number(part) >= 0 && Number(part) < 253_402_300_800_000,
  number: (part: unknown) => Number.isSafeInteger(part),
  uuid: (part: unknown) => typeof part === "string" && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(part),
  text: (part: unknown) => typeof part === "string" && part.isWellFormed() && !part.includes("\u0000")
}

/** The sort key in a cursor, as texts: parts of these kinds in this order, or the cursor is none of ours. */
export const decodeCursor = Effect.fnUntraced(function* (
  cursor: string | undefined,
  shape: ReadonlyArray<keyof typeof PARTS>
): Effect.fn.Return<ReadonlyArray<string> | undefined, InvalidRequest> {
  if (cursor === undefined) return undefined
  const parts = yield* Effect.try({
    try: (): unknown => JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")),
    catch: () => notACursor
  })
  if (!Array.isArray(parts) || parts.length !== shape.length) return yield* notACursor
  if (!shape.every((kind, index) => PARTS[kind](parts[index]))) return yield* notACursor
  return parts.map(String)
})

export const notACursor = new InvalidRequest({ field: "cursor", message: "is not the nextCursor of an earlier page" })

/** Cuts `limit + 1` rows to a page: the row too many says that there is a next one. */
export const page = <Row>(
  rows: ReadonlyArray<Row>,
  limit: number,
  keyOf: (row: Row) => ReadonlyArray<string | number>
): { readonly rows: ReadonlyArray<Row>; readonly next: { readonly nextCursor?: string } } => {
  const kept = rows.slice(0, limit)
  const last = kept.at(-1)
  return {
    rows: kept,
    next: rows.length > limit && last !== undefined ? { nextCursor: encodeCursor(keyOf(last)) } : {}
  }
}
