import * as Schema from "effect/Schema"
import { iso31661 } from "iso-3166/1.js"

const countries: ReadonlySet<string> = new Set(iso31661.map(({ alpha2 }) => alpha2))

/** Everywhere that has no price row of its own. */
export const ELSEWHERE = "*"

/**
 * Where a price is for: an ISO 3166-1 alpha-2 code that is assigned, or `*` for everywhere else. (A purchase may name any
 * two letters, such as the `XK` that payment providers use for Kosovo: it is paid already, and `*` prices it.)
 */
export const PriceCountry = Schema.String.check(
  Schema.makeFilter<string>((code) => code === ELSEWHERE || countries.has(code), {
    expected: "a country of ISO 3166-1 in two letters, or * for everywhere else"
  })
)
