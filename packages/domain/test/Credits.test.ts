import { Credits, MAX_CREDITS, PositiveCredits, withinBounds } from "@credit/domain/Credits"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const fromJson = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownSync(schema)
  return (json: string) => decode(JSON.parse(json))
}
const credits = fromJson(Credits)
const positive = fromJson(PositiveCredits)

describe("credits", () => {
  it("are whole numbers within ±(2^53 − 1)", () => {
    expect(credits("9007199254740991")).toBe(2 ** 53 - 1)
    expect(credits("-9007199254740991")).toBe(-(2 ** 53 - 1))
    expect(credits("0")).toBe(0)
    expect(credits("1e3")).toBe(1000)
  })

  it.each([
    ["9007199254740992"],
    ["9007199254740993"],
    ["-9007199254740992"],
    ["1e16"],
    ["1e400"],
    ["-1e400"],
    ["0.5"],
    ["1.0000001"],
    ['"5"'],
    ["null"],
    ["true"],
    ["[5]"],
    ["{}"]
  ])("are not %s", (json) => {
    expect(() => credits(json)).toThrow()
    expect(() => positive(json)).toThrow()
  })

  it("that somebody is given are at least 1", () => {
    expect(positive("1")).toBe(1)
    expect(positive("9007199254740991")).toBe(MAX_CREDITS)
    for (const json of ["0", "-0", "-1"]) expect(() => positive(json)).toThrow()
  })

  it("are within bounds or not, exactly, for every sum of two that are", () => {
    const near = (sign: bigint) => fc.bigInt({ min: 0n, max: 5n }).map((n) => sign * (2n ** 53n - 1n - n))
    const some = fc.oneof(
      near(1n),
      near(-1n),
      fc.bigInt({ min: -5n, max: 5n }),
      fc.bigInt({ min: -(2n ** 53n - 1n), max: 2n ** 53n - 1n })
    )
    forAll(
      [some, some],
      (a, b) => {
        const exact = a + b
        expect(withinBounds(Number(a) + Number(b))).toBe(exact <= 2n ** 53n - 1n && exact >= -(2n ** 53n - 1n))
      },
      2000
    )
  })
})
