import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/**
 * Money, resources and rates are exact decimals: strings in JSON (`"29.99"`), `BigDecimal` in TypeScript, `numeric` in
 * SQL; never a float. What has more scale than the column keeps is refused, not rounded.
 */
const decimal = (
  identifier: string,
  options: { readonly integerDigits: number; readonly scale: number; readonly description: string }
) => {
  const pattern = new RegExp(`^(?:0|[1-9][0-9]{0,${options.integerDigits - 1}})(?:\\.[0-9]{1,${options.scale}}0*)?$`)
  return Schema.String.check(
    // The length bound comes first: it keeps trailing zeros from growing without end.
    Schema.isMaxLength(40),
    Schema.isPattern(pattern, { expected: options.description })
  )
    .pipe(
      Schema.decodeTo(Schema.BigDecimal, {
        decode: SchemaGetter.transform((text) => BigDecimal.normalize(BigDecimal.fromStringUnsafe(text))),
        encode: SchemaGetter.transform(canonicalDecimal)
      })
    )
    .annotate({ identifier, description: options.description })
}

/** The one text of a decimal: plain digits, no exponent, no trailing zeros after the point. */
export const canonicalDecimal = (value: BigDecimal.BigDecimal): string => {
  const { scale, value: digits } = BigDecimal.normalize(value)
  if (scale <= 0) return `${digits * 10n ** BigInt(-scale)}`
  const text = `${digits < 0n ? -digits : digits}`.padStart(scale + 1, "0")
  return `${digits < 0n ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`
}

/** An amount of a resource (tokens, minutes, calls): 0 ≤ amount < 10^12, at most 6 decimals. */
export const ResourceAmount = decimal("ResourceAmount", {
  integerDigits: 12,
  scale: 6,
  description: 'a decimal string such as "1.25": at least 0, less than 10^12, at most 6 decimals'
})

/**
 * What a ledger entry says it was made of: a resource's amount, a price, or credits, which go further than resources do:
 * 0 ≤ amount < 10^16, at most 6 decimals.
 */
export const EntryAmount = decimal("EntryAmount", {
  integerDigits: 16,
  scale: 6,
  description: 'a decimal string such as "1.25": at least 0, less than 10^16, at most 6 decimals'
})

/** Credits per unit of a resource: 0 ≤ rate < 10^9, at most 6 decimals. */
export const Rate = decimal("Rate", {
  integerDigits: 9,
  scale: 6,
  description: 'a decimal string such as "0.57": at least 0, less than 10^9, at most 6 decimals'
})

/** An amount of money: 0 ≤ amount < 10^12, at most 4 decimals. */
export const Money = decimal("Money", {
  integerDigits: 12,
  scale: 4,
  description: 'a decimal string such as "29.99": at least 0, less than 10^12, at most 4 decimals'
})

/** Per cent: 0 ≤ rate ≤ 100, at most 4 decimals. */
export const percent = decimal("Percent", {
  integerDigits: 3,
  scale: 4,
  description: 'a decimal string such as "20" or "16.67": per cent, 0 to 100, at most 4 decimals'
}).check(
  Schema.makeFilter((value) => BigDecimal.isLessThanOrEqualTo(value, BigDecimal.fromBigInt(100n)), {
    expected: "at most 100"
  })
)

/** A rate that work is charged by: more than 0. */
export const PositiveRate = Rate.check(
  Schema.makeFilter((value) => BigDecimal.isPositive(value), { expected: "more than 0" })
)

/** A sum of resource amounts over many operations: at least 0, at most 6 decimals. */
export const ResourceTotal = decimal("ResourceTotal", {
  integerDigits: 30,
  scale: 6,
  description: 'a decimal string such as "1234.5": at least 0, at most 6 decimals'
})
