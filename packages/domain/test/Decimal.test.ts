import { canonicalDecimal, Money, Rate, ResourceAmount } from "@credit/domain/Decimal"
import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const accepts = (schema: typeof Money, input: unknown) => Schema.is(Schema.toEncoded(schema))(input)
const canonical = (schema: typeof Money, text: string) =>
  Schema.encodeSync(schema)(Schema.decodeUnknownSync(schema)(text))

const neverADecimal = [
  "",
  " ",
  "1.",
  ".5",
  "01",
  "00",
  "00.5",
  "-1",
  "-0",
  "+1",
  "1e3",
  "1E3",
  "0x10",
  "1,5",
  "1 ",
  " 1",
  "1\n",
  "1_000",
  "NaN",
  "Infinity",
  "1.2.3",
  "١",
  "1.5\u0000",
  "\ud800",
  1,
  1.5,
  0,
  Number.POSITIVE_INFINITY,
  null,
  true,
  ["1"],
  { value: "1" }
]

describe.each([
  { name: "a resource amount", schema: ResourceAmount, integerDigits: 12, scale: 6 },
  { name: "a rate", schema: Rate, integerDigits: 9, scale: 6 },
  { name: "an amount of money", schema: Money, integerDigits: 12, scale: 4 }
])("$name", ({ integerDigits, scale, schema }) => {
  it.each(neverADecimal.map((input) => [input]))("is not %j", (input) => {
    expect(accepts(schema, input)).toBe(false)
    expect(() => Schema.decodeUnknownSync(schema)(input)).toThrow()
  })

  it(`is less than 10^${integerDigits}`, () => {
    const nines = "9".repeat(integerDigits)
    expect(canonical(schema, nines)).toBe(nines)
    expect(canonical(schema, `${nines}.${"9".repeat(scale)}`)).toBe(`${nines}.${"9".repeat(scale)}`)
    expect(accepts(schema, `1${"0".repeat(integerDigits)}`)).toBe(false)
  })

  it(`has at most ${scale} decimals: more is refused, not rounded`, () => {
    expect(canonical(schema, `0.${"1".repeat(scale)}`)).toBe(`0.${"1".repeat(scale)}`)
    expect(accepts(schema, `0.${"1".repeat(scale + 1)}`)).toBe(false)
    expect(accepts(schema, `0.${"0".repeat(scale)}1`)).toBe(false)
    expect(accepts(schema, `0.${"0".repeat(scale)}10`)).toBe(false)
  })

  it("may end in zeros that say nothing, but not without end", () => {
    expect(canonical(schema, `1.5${"0".repeat(scale + 5)}`)).toBe("1.5")
    expect(accepts(schema, `1.${"0".repeat(38)}`)).toBe(true)
    expect(accepts(schema, `1.${"0".repeat(39)}`)).toBe(false)
  })

  it("comes back from its wire form as the same text, and the same value", () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** BigInt(integerDigits + scale) - 1n })
    forAll([digits, fc.nat({ max: scale })], (value, places) => {
      const decimal = BigDecimal.make(value / 10n ** BigInt(scale - places), places)
      const text = Schema.encodeSync(schema)(decimal)
      expect(text).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/)
      const decoded = Schema.decodeUnknownSync(schema)(text)
      expect(BigDecimal.equals(decoded, decimal)).toBe(true)
      expect(Schema.encodeSync(schema)(decoded)).toBe(text)
    })
  })
})

describe("the canonical text of a decimal", () => {
  it.each([
    ["0", "0"],
    ["0.0", "0"],
    ["10", "10"],
    ["1000000", "1000000"],
    ["29.90", "29.9"],
    ["29.00", "29"],
    ["0.000001", "0.000001"],
    ["-0.50", "-0.5"],
    ["-12.5", "-12.5"],
    ["1e6", "1000000"],
    ["1e-6", "0.000001"]
  ])("of %s is %s", (input, text) => {
    expect(canonicalDecimal(BigDecimal.fromStringUnsafe(input))).toBe(text)
  })

  it("is one text for one value", () => {
    const scales = fc.integer({ min: -6, max: 6 })
    forAll([fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), scales], (value, scale) => {
      const one = BigDecimal.make(value, scale)
      const same = BigDecimal.make(value * 1000n, scale + 3)
      expect(canonicalDecimal(same)).toBe(canonicalDecimal(one))
      expect(BigDecimal.equals(BigDecimal.fromStringUnsafe(canonicalDecimal(one)), one)).toBe(true)
    })
  })
})
