import { cost } from "@credit/domain/Cost"
import * as BigDecimal from "effect/BigDecimal"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const costOf = (amount: string, rate: string) =>
  cost(BigDecimal.fromStringUnsafe(amount), BigDecimal.fromStringUnsafe(rate))

/** The same rule from the texts alone: whole numbers of millionths, and a remainder that rounds up. */
const oracle = (amount: string, rate: string): number | undefined => {
  const product = millionths(amount) * millionths(rate)
  const unit = 10n ** 12n
  const whole = product / unit + (product % unit === 0n ? 0n : 1n)
  if (whole > 2n ** 53n - 1n) return undefined
  return whole === 0n ? 1 : Number(whole)
}

const millionths = (text: string): bigint => {
  const [whole = "", fraction = ""] = text.split(".")
  return BigInt(whole + fraction.padEnd(6, "0"))
}

const decimalText = (value: bigint): string => {
  const digits = `${value}`.padStart(7, "0")
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`
}

const amount = fc.bigInt({ min: 0n, max: 10n ** 18n - 1n })
const rate = fc.bigInt({ min: 0n, max: 10n ** 15n - 1n })

/** 10^12 = 2^12 × 5^12 shared out between amount and rate, so that the exact product is a whole number. */
const wholeProduct = fc
  .record({
    twos: fc.nat({ max: 12 }),
    fives: fc.nat({ max: 12 }),
    a: fc.bigInt({ min: 0n, max: 10n ** 6n }),
    b: fc.bigInt({ min: 0n, max: 10n ** 5n })
  })
  .map(({ a, b, fives, twos }): [string, string] => [
    decimalText(a * 2n ** BigInt(twos) * 5n ** BigInt(fives)),
    decimalText(b * 2n ** BigInt(12 - twos) * 5n ** BigInt(12 - fives))
  ])
  .filter(([a, b]) => millionths(a) < 10n ** 18n && millionths(b) < 10n ** 15n)

const anyPair = fc.tuple(amount.map(decimalText), rate.map(decimalText))
const smallPair = fc.tuple(
  fc.bigInt({ min: 0n, max: 10n ** 9n }).map(decimalText),
  fc.bigInt({ min: 0n, max: 10n ** 8n }).map(decimalText)
)

describe("the cost of an operation", () => {
  it.each([
    ["100", "1.11", 111],
    ["100", "1.1", 110],
    ["50", "1.1", 55],
    ["100", "0.07", 7],
    ["100.000001", "1.11", 112],
    ["0", "1.11", 1],
    ["5", "0", 1],
    ["0.000001", "0.000001", 1],
    ["1", "1.000001", 2],
    ["999999999999.999999", "0.000001", 1_000_000],
    ["3", "0.333333", 1],
    ["3", "0.333334", 2]
  ])("of %s at %s is %d credits", (resourceAmount, rateText, credits) => {
    expect(costOf(resourceAmount, rateText)).toBe(credits)
  })

  it("is exact where the product is a whole number: nothing is rounded up", () => {
    forAll(
      [wholeProduct],
      ([a, b]) => {
        expect((millionths(a) * millionths(b)) % 10n ** 12n).toBe(0n)
        expect(costOf(a, b)).toBe(oracle(a, b))
      },
      5000
    )
  })

  it("is the exact product rounded up to whole credits, at least 1", () => {
    forAll(
      [fc.oneof(smallPair, anyPair)],
      ([a, b]) => {
        expect(costOf(a, b)).toBe(oracle(a, b))
      },
      5000
    )
  })

  it("does not depend on how the decimals are written", () => {
    forAll([smallPair, fc.nat({ max: 5 })], ([a, b], zeros) => {
      expect(costOf(`${a}${"0".repeat(zeros)}`, BigDecimal.format(BigDecimal.fromStringUnsafe(b)))).toBe(costOf(a, b))
    })
  })

  it("may be 2^53 − 1 and no more", () => {
    // 2^53 − 1 = 20394401 × 441650591
    expect(costOf("20394401", "441650591")).toBe(Number.MAX_SAFE_INTEGER)
    expect(costOf("20394401.000001", "441650591")).toBeUndefined()
    expect(costOf("33554432", "268435456")).toBeUndefined()
    expect(costOf("999999999999.999999", "999999999.999999")).toBeUndefined()
  })
})
