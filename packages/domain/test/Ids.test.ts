import { Code, Country, Currency, LotId, MerchantId, OperationId, text, UserId } from "@credit/domain/Ids"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const is = {
  merchantId: Schema.is(MerchantId),
  userId: Schema.is(UserId),
  code: Schema.is(Code),
  currency: Schema.is(Currency),
  country: Schema.is(Country),
  operationId: Schema.is(OperationId),
  lotId: Schema.is(LotId),
  note: Schema.is(text(10))
}

describe("a merchant id", () => {
  it.each([["ab"], ["acme-corp"], ["a0"], ["a--"], [`a${"x".repeat(30)}`]])("may be %s", (id) => {
    expect(is.merchantId(id)).toBe(true)
  })
  it.each([
    [""],
    ["a"],
    ["Acme"],
    ["1acme"],
    ["-acme"],
    ["acme_corp"],
    ["acme.corp"],
    [`a${"x".repeat(31)}`],
    ["ab\n"]
  ])("is not %j", (id) => {
    expect(is.merchantId(id)).toBe(false)
  })
})

describe("a user id", () => {
  it("is 1 to 128 characters of [A-Za-z0-9._:@|-], and nothing else", () => {
    const allowed = /^[A-Za-z0-9._:@|-]$/
    for (let code = 0; code < 0x250; code += 1) {
      const character = String.fromCharCode(code)
      expect([character, is.userId(`u${character}`)]).toEqual([character, allowed.test(character)])
    }
    expect(is.userId("x".repeat(128))).toBe(true)
    expect(is.userId("x".repeat(129))).toBe(false)
    expect(is.userId("")).toBe(false)
    expect(is.userId("auth0|5f7c8ec7:a@b.c")).toBe(true)
  })
})

describe("a code or reference", () => {
  it("is 1 to 200 visible ASCII characters, and nothing else", () => {
    for (let code = 0; code < 0x250; code += 1) {
      const character = String.fromCharCode(code)
      expect([code, is.code(`c${character}`)]).toEqual([code, code > 0x20 && code < 0x7f])
    }
    expect(is.code("x".repeat(200))).toBe(true)
    expect(is.code("x".repeat(201))).toBe(false)
    expect(is.code("")).toBe(false)
    for (const other of [1, null, true, ["a"], {}]) expect(is.code(other)).toBe(false)
  })
})

describe("currencies and countries", () => {
  it("have the form of their ISO codes", () => {
    expect(["USD", "usd", "US", "USDT", "U1D", "", "USD\n"].filter(is.currency)).toEqual(["USD"])
    expect(["AM", "am", "ARM", "A", "A1", "*", "", "AM\n"].filter(is.country)).toEqual(["AM"])
  })
})

describe("an id of the service", () => {
  it.each([is.operationId, is.lotId])("is a UUID in lower case", (accepts) => {
    expect(accepts("0198c2f0-0000-7000-8000-00000000000a")).toBe(true)
    for (const other of [
      "0198C2F0-0000-7000-8000-00000000000A",
      "0198c2f000007000800000000000000a",
      "{0198c2f0-0000-7000-8000-00000000000a}",
      "0198c2f0-0000-7000-8000-00000000000",
      "0198c2f0-0000-7000-8000-00000000000g",
      "0198c2f0-0000-7000-8000-00000000000a\n",
      ""
    ]) {
      expect(accepts(other)).toBe(false)
    }
  })
})

describe("free text", () => {
  it("has 1 to so many characters", () => {
    expect(is.note("x")).toBe(true)
    expect(is.note("x".repeat(10))).toBe(true)
    expect(is.note("x".repeat(11))).toBe(false)
    expect(is.note("")).toBe(false)
  })
  it("takes any language, line breaks and emoji", () => {
    for (const note of ["Շնորհ", "line\nline", "a\tb", "👍", "é", "e\u0301"]) expect(is.note(note)).toBe(true)
  })
  it("has no NUL and no lone surrogate, which PostgreSQL cannot store", () => {
    for (const note of ["\u0000", "a\u0000b", "\ud800", "a\udc00", "\udc00\ud800", "👍\ud83d"]) {
      expect(is.note(note)).toBe(false)
    }
  })
  it("is accepted exactly when it survives UTF-8 and has no NUL", () => {
    forAll(
      [fc.string({ unit: fc.integer({ max: 0xffff }).map((n) => String.fromCharCode(n)) })],
      (note) => {
        const survives = Buffer.from(note, "utf8").toString("utf8") === note && !note.includes("\u0000")
        expect(is.note(note)).toBe(survives && note.length >= 1 && note.length <= 10)
      },
      500
    )
  })
})
