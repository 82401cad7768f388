import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/

/** JavaScript reads 30 February as 2 March: a day that its month does not have is refused. */
const isTimestampText = Schema.makeFilter<string>(
  (text) => {
    const parts = pattern.exec(text)
    if (parts === null) return false
    const [, year, month, day] = parts.map(Number)
    if (year === undefined || month === undefined || day === undefined) return false
    if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return false
    // The wire form has four digits for the year, and an offset can carry an instant out of them.
    const utcYear = new Date(text).getUTCFullYear()
    return utcYear >= 1 && utcYear <= 9999
  },
  { expected: 'an ISO 8601 instant with its offset, such as "2026-01-31T12:00:00Z"' }
)

/**
 * An instant of the UTC years 0001 to 9999, to the millisecond (finer digits are cut): an ISO 8601 string with offset in
 * JSON.
 */
export const Timestamp = Schema.String.check(isTimestampText)
  .pipe(
    Schema.decodeTo(Schema.DateTimeUtc, {
      decode: SchemaGetter.transform((text) => DateTime.makeUnsafe(new Date(text))),
      encode: SchemaGetter.transform(DateTime.formatIso)
    })
  )
  .annotate({ identifier: "Timestamp", description: "An instant in ISO 8601 with offset, to the millisecond." })

/** The wire form of an instant given in epoch milliseconds. */
export const timestampText = (epochMillis: number): string => new Date(epochMillis).toISOString()

export const HOUR = 3_600_000
export const MINUTE = 60_000
/** A day of an access period is 24 hours, whatever a calendar says (365 days = 8760 h). */
export const DAY = 24 * HOUR
