import * as Schema from "effect/Schema"

/**
 * The largest absolute value of every balance, entry and total: 2^53 − 1. Up to here JavaScript numbers are exact, so
 * credits travel as plain JSON numbers and are kept as `bigint` in SQL.
 */
export const MAX_CREDITS = Number.MAX_SAFE_INTEGER

const wholeNumber = (minimum: number, expected: string) =>
  // Finite, so that a text is refused as no number: a mere number has texts for those that are not.
  Schema.Finite.check(
    Schema.makeFilter<number>((value) => Number.isSafeInteger(value) && value >= minimum, { expected })
  ).annotate({ description: expected })

/** A whole number of credits, of either sign, within ±(2^53 − 1). */
export const Credits = wholeNumber(-MAX_CREDITS, "a whole number of credits within ±(2^53 − 1)")

/** Credits somebody is given: 1 to 2^53 − 1. */
export const PositiveCredits = wholeNumber(1, "a whole number of credits, 1 to 2^53 − 1")

/**
 * Whether `value` may stand in a balance, entry or total. The sum of two credits that may stand is at most 2^54, where a
 * float is off by one at the most, so the answer is exact also for a sum that left the safe range.
 */
export const withinBounds = (value: number): boolean => value <= MAX_CREDITS && value >= -MAX_CREDITS
