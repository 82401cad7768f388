import { InvalidRequest } from "@credit/domain/Refusal"
import * as Effect from "effect/Effect"

/** A page's default size. */
export const PAGE_SIZE = 100

/** The place after a row: its sort key, opaque to callers. Rows that are added do not move it. */
export const encodeCursor = (parts: ReadonlyArray<string | number>): string =>
  Buffer.from(JSON.stringify(parts)).toString("base64url")

/** The sort key in a cursor: an instant in epoch milliseconds and a text, or what it is told to be. */
export const decodeCursor = Effect.fnUntraced(function* (
  cursor: string | undefined,
  shape: ReadonlyArray<"number" | "string">
): Effect.fn.Return<ReadonlyArray<string> | undefined, InvalidRequest> {
  if (cursor === undefined) return undefined
  const parts = yield* Effect.try({
    try: (): unknown => JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")),
    catch: () => notACursor
  })
  if (!Array.isArray(parts) || parts.length !== shape.length) return yield* notACursor
  const texts: Array<string> = []
  for (const [index, kind] of shape.entries()) {
    const part: unknown = parts[index]
    if (typeof part !== kind || (typeof part === "number" && !Number.isSafeInteger(part))) return yield* notACursor
    texts.push(String(part))
  }
  return texts
})

const notACursor = new InvalidRequest({ field: "cursor", message: "is not the nextCursor of an earlier page" })

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
