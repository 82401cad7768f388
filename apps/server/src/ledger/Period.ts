import { InvalidRequest } from "@credit/domain/Refusal"
import { DAY } from "@credit/domain/Timestamp"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"

/** A span of time in epoch milliseconds, without its end. */
export interface Period {
  readonly from: number
  readonly to: number
}

/** The earliest and latest instants there can be in a ledger: bounds that exclude nothing. */
export const ALWAYS: Period = { from: 0, to: 253_402_300_800_000 }

/** A period asked for, of at most so many days of 24 hours. */
export const periodOf = (
  asked: { readonly from: DateTime.Utc; readonly to: DateTime.Utc },
  maximumDays: number
): Effect.Effect<Period, InvalidRequest> => {
  const period = { from: DateTime.toEpochMillis(asked.from), to: DateTime.toEpochMillis(asked.to) }
  if (period.to <= period.from) return invalid("to", "must be later than from")
  return period.to - period.from > maximumDays * DAY
    ? invalid("to", `is more than ${maximumDays} days later than from`)
    : Effect.succeed(clamp(period))
}

/** A period whose ends may be left open. */
export const openPeriod = (asked: { readonly from?: DateTime.Utc; readonly to?: DateTime.Utc }): Period =>
  clamp({
    from: asked.from === undefined ? ALWAYS.from : DateTime.toEpochMillis(asked.from),
    to: asked.to === undefined ? ALWAYS.to : DateTime.toEpochMillis(asked.to)
  })

const invalid = (field: string, message: string) => Effect.fail(new InvalidRequest({ field, message }))

/** Nothing is dated before 1970 here, and what has not begun by then excludes as much as what has. */
const clamp = ({ from, to }: Period): Period => ({ from: Math.max(from, ALWAYS.from), to: Math.max(to, ALWAYS.from) })
