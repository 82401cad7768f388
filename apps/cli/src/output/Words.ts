import { formatMoney } from "@credit/domain/Currency"
import * as BigDecimal from "effect/BigDecimal"

/** Credits for people: thousands apart. */
export const credits = (amount: number): string => digits.format(amount)

/** A movement of credits, always with its sign. */
export const movement = (amount: number): string => `${amount > 0 ? "+" : ""}${credits(amount)}`

const digits = new Intl.NumberFormat("en-US")

/** An instant to the second, in UTC: `2026-01-31 12:00:05Z`. */
export const instant = (timestamp: string): string =>
  new Date(timestamp)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z")

/** An instant that may be missing. */
export const maybeInstant = (timestamp: string | undefined): string | undefined =>
  timestamp === undefined ? undefined : instant(timestamp)

/** `1 lot`, `2 lots`. */
export const count = (number: number, noun: string, plural = `${noun}s`): string =>
  `${credits(number)} ${number === 1 ? noun : plural}`

/** How long, in the one unit that says it best: `45 s`, `3 min`, `5 h`, `12 days`. */
export const duration = (seconds: number): string => {
  const whole = Math.round(Math.abs(seconds))
  if (whole < 120) return `${whole} s`
  if (whole < 2 * 3600) return `${Math.round(whole / 60)} min`
  if (whole < 48 * 3600) return `${Math.round(whole / 3600)} h`
  return `${Math.round(whole / 86_400)} days`
}

/** An amount of money, with the decimals that its currency has. */
export const money = (amount: string, currency: string): string =>
  formatMoney(BigDecimal.fromStringUnsafe(amount), currency)
