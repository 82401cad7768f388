import * as Schema from "effect/Schema"

/** The most rows a page may have. */
export const MAX_PAGE_SIZE = 500

/** The longest span of time that a summary or statement may cover: 366 days of 24 hours. */
export const MAX_PERIOD_DAYS = 366

/** Asks for a page: `limit` rows (100 unless told), from where an earlier page's `nextCursor` left off. */
export const PageRequest = {
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MAX_PAGE_SIZE }))),
  /** Opaque; stays good while rows are added. */
  cursor: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,1000}$/, { expected: "a cursor" })))
}

/** Where the next page starts; absent on the last one. */
export const PageInfo = { nextCursor: Schema.optionalKey(Schema.String) }
