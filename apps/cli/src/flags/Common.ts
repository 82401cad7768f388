import { MAX_CREDITS } from "@credit/domain/Credits"
import { ResourceAmount } from "@credit/domain/Decimal"
import { Code, OperationId, text, UserId } from "@credit/domain/Ids"
import { Timestamp } from "@credit/domain/Timestamp"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { maybe, parsedFlag, textArgument, textFlag, wholeFlag } from "./Checked.ts"

export const userArgument = textArgument("user", UserId).pipe(Argument.withDescription("The user's id"))

export const userFlag = textFlag("user", UserId).pipe(Flag.withMetavar("id"), Flag.withDescription("The user's id"))

export const operationArgument = textArgument("operation", OperationId).pipe(
  Argument.withDescription("The operation's id")
)

export const codeFlag = (name: string, description: string) =>
  textFlag(name, Code).pipe(Flag.withMetavar("code"), Flag.withDescription(description))

export const amountFlag = (name: string, description: string) =>
  textFlag(name, ResourceAmount).pipe(Flag.withMetavar("decimal"), Flag.withDescription(description))

export const creditsFlag = (description: string) =>
  wholeFlag("credits", 1, MAX_CREDITS, "a whole number of credits, 1 to 2^53 − 1").pipe(
    Flag.withDescription(description)
  )

/** An access period in days. */
export const periodFlag = wholeFlag("period", 1, 36_500).pipe(
  Flag.withMetavar("days"),
  Flag.withDescription("For how many days of 24 hours the credits can be spent")
)

const AGO = /^(\d{1,6})([mhd])$/
const MILLIS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** An instant as people write it: ISO 8601, a date (midnight, UTC), or so long ago (`90m`, `24h`, `7d`). */
export const readInstant = (given: string, now: number): Result.Result<string, string> => {
  const [, number, unit] = AGO.exec(given) ?? []
  if (unit === "m" || unit === "h" || unit === "d") {
    return Result.succeed(new Date(now - Number(number) * MILLIS[unit]).toISOString())
  }
  const instant = /^\d{4}-\d{2}-\d{2}$/.test(given) ? `${given}T00:00:00Z` : given
  return isTimestamp(instant)
    ? Result.succeed(instant)
    : Result.fail("an instant such as 2026-01-31T12:00:00Z, a date (UTC), or so long ago: 90m, 24h, 7d")
}

/** Likewise without the past: what is sent with a command must be the same whenever it is sent again. */
export const readFixedInstant = (given: string): Result.Result<string, string> =>
  AGO.test(given)
    ? Result.fail("an instant such as 2026-01-31T12:00:00Z, or a date (UTC)")
    : Result.mapError(readInstant(given, 0), () => "an instant such as 2026-01-31T12:00:00Z, or a date (UTC)")

const isTimestamp = (given: string): boolean => Schema.decodeUnknownResult(Timestamp)(given)._tag === "Success"

export const instantFlag = (name: string, description: string) =>
  parsedFlag(name, (given) => readInstant(given, Date.now())).pipe(
    Flag.withMetavar("when"),
    Flag.withDescription(description)
  )

/** An instant that is sent with a command. */
export const fixedInstantFlag = (name: string, description: string) =>
  parsedFlag(name, readFixedInstant).pipe(Flag.withMetavar("when"), Flag.withDescription(description))

/** A span of time: `30m`, `12h`, `7d`, in milliseconds. */
export const spanFlag = (name: string, description: string) =>
  parsedFlag(name, (given): Result.Result<number, string> => {
    const [, number, unit] = AGO.exec(given) ?? []
    return unit === "m" || unit === "h" || unit === "d"
      ? Result.succeed(Number(number) * MILLIS[unit])
      : Result.fail("a span of time: 30m, 12h, 7d")
  }).pipe(Flag.withMetavar("span"), Flag.withDescription(description))

/** Why something is done by hand, for the record. */
export const justificationFlag = textFlag("reason", text(2000)).pipe(
  Flag.withMetavar("text"),
  Flag.withDescription("Why, for the record")
)

/** How much of a list. */
export const pageFlags = {
  limit: wholeFlag("limit", 1, 500).pipe(
    Flag.withDefault(50),
    Flag.withDescription("How many at most, up to 500 (default: 50)")
  ),
  cursor: maybe(
    Flag.String("cursor").pipe(
      Flag.withMetavar("cursor"),
      Flag.withDescription("Go on where an earlier list ended, as it said")
    )
  )
} as const
