import { Timestamp, timestampText } from "@credit/domain/Timestamp"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const decode = Schema.decodeUnknownSync(Timestamp)
const canonical = (text: string) => Schema.encodeSync(Timestamp)(decode(text))

describe("an instant on the wire", () => {
  it.each([
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z"],
    ["2026-01-31T12:00:00+04:00", "2026-01-31T08:00:00.000Z"],
    ["2026-01-31T12:00:00-00:30", "2026-01-31T12:30:00.000Z"],
    ["2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"],
    ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"],
    ["2026-01-01T23:59:59.999999999Z", "2026-01-01T23:59:59.999Z"],
    ["1969-12-31T23:59:59.0009Z", "1969-12-31T23:59:59.000Z"]
  ])("%s is %s: UTC, finer digits than milliseconds cut", (text, utc) => {
    expect(canonical(text)).toBe(utc)
  })

  it.each([
    ["2026-02-30T00:00:00Z"],
    ["2026-02-29T00:00:00Z"],
    ["1900-02-29T00:00:00Z"],
    ["2026-04-31T00:00:00Z"],
    ["2026-00-10T00:00:00Z"],
    ["2026-13-10T00:00:00Z"],
    ["2026-01-00T00:00:00Z"],
    ["2026-01-32T00:00:00Z"],
    ["2026-01-31T24:00:00Z"],
    ["2026-01-31T12:60:00Z"],
    ["2026-01-31T23:59:60Z"],
    ["2026-01-31T12:00:00"],
    ["2026-01-31T12:00Z"],
    ["2026-01-31"],
    ["2026-1-31T12:00:00Z"],
    ["2026-01-31 12:00:00Z"],
    ["2026-01-31t12:00:00z"],
    ["2026-01-31T12:00:00.Z"],
    ["2026-01-31T12:00:00.1234567890Z"],
    ["2026-01-31T12:00:00+0400"],
    ["2026-01-31T12:00:00+15:00"],
    ["2026-01-31T12:00:00+04:60"],
    ["+002026-01-31T12:00:00Z"],
    ["-000001-01-31T12:00:00Z"],
    ["2026-01-31T12:00:00Z\n"],
    ["2026-01-31T12:00:00Z\u0000"],
    [""],
    ["now"],
    ["1767225600000"],
    [1_767_225_600_000],
    [null],
    [{}]
  ])("%j is refused", (text) => {
    expect(() => decode(text)).toThrow()
  })

  it.each([["0000-01-01T00:00:00Z"], ["0001-01-01T00:00:00+00:01"], ["9999-12-31T23:59:59-00:01"]])(
    "%s is refused: in UTC its year would not have the four digits of the wire form",
    (text) => {
      expect(() => decode(text)).toThrow()
    }
  )

  it("takes the first and the last instant of the years 0001 to 9999", () => {
    expect(canonical("0001-01-01T00:00:00Z")).toBe("0001-01-01T00:00:00.000Z")
    expect(canonical("0001-01-01T01:00:00+01:00")).toBe("0001-01-01T00:00:00.000Z")
    expect(canonical("9999-12-31T23:59:59.999Z")).toBe("9999-12-31T23:59:59.999Z")
  })

  it("comes back from its wire form as the same instant", () => {
    const first = Date.parse("0001-01-01T00:00:00Z")
    const last = Date.parse("9999-12-31T23:59:59.999Z")
    forAll([fc.integer({ min: first, max: last })], (instant) => {
      const text = timestampText(instant)
      expect(DateTime.toEpochMillis(decode(text))).toBe(instant)
      expect(canonical(text)).toBe(text)
    })
  })

  it("is refused or is what it says: no text of this shape means another day", () => {
    const two = (max: number) => fc.nat({ max }).map((n) => `${n}`.padStart(2, "0"))
    const text = fc
      .tuple(fc.integer({ min: 1, max: 9999 }), two(15), two(33), two(25), two(61), two(61))
      .map(([y, mo, d, h, mi, s]) => `${`${y}`.padStart(4, "0")}-${mo}-${d}T${h}:${mi}:${s}Z`)
    forAll(
      [text],
      (input) => {
        const accepted = Schema.is(Schema.toEncoded(Timestamp))(input)
        if (accepted) expect(canonical(input)).toBe(input.replace("Z", ".000Z"))
        else expect(() => decode(input)).toThrow()
      },
      2000
    )
  })
})
