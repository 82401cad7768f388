import { makeUuidV7, uuidV5 } from "@credit/domain/Uuid"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forAll } from "./support/forAll.ts"

const timeOf = (id: string): number => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)

/** Instants as a process may meet them: forward, standing still, and back. */
const instants = fc
  .array(fc.oneof(fc.constantFrom(0, 0, 1, -1), fc.integer({ min: -100_000, max: 100_000 })), {
    minLength: 1,
    maxLength: 200
  })
  .map((steps) => {
    let now = 1_767_225_600_000
    return steps.map((step) => (now += step))
  })

describe("a UUIDv7", () => {
  it("has version 7 and the variant of RFC 9562, in lower case", () => {
    forAll([fc.integer({ min: 1, max: 2 ** 48 - 1 })], (instant) => {
      expect(makeUuidV7()(instant)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    })
  })

  it("starts with its instant in milliseconds", () => {
    forAll([fc.integer({ min: 1, max: 2 ** 48 - 1 })], (instant) => {
      expect(timeOf(makeUuidV7()(instant))).toBe(instant)
    })
  })

  it("is greater than every one before it in its process, also while time stands still or goes back", () => {
    forAll([instants], (times) => {
      const newId = makeUuidV7()
      const ids = times.map((time) => newId(time))
      for (const [index, id] of ids.entries()) {
        const before = ids[index - 1]
        if (before !== undefined) expect(id > before).toBe(true)
      }
    })
  })

  it("never says an earlier time than the one before it", () => {
    forAll([instants], (times) => {
      const newId = makeUuidV7()
      let latest = 0
      for (const time of times) {
        latest = Math.max(latest, time)
        expect(timeOf(newId(time))).toBe(latest)
      }
    })
  })

  it("stays in order through a hundred thousand of one millisecond", () => {
    const newId = makeUuidV7()
    let before = ""
    let ordered = true
    for (let index = 0; index < 100_000; index += 1) {
      const id = newId(1_767_225_600_000)
      ordered &&= id > before
      before = id
    }
    expect(ordered).toBe(true)
    expect(timeOf(before)).toBe(1_767_225_600_000)
  })

  it("differs between processes that make one in the same millisecond", () => {
    const ids = new Set(Array.from({ length: 1000 }, () => makeUuidV7()(1_767_225_600_000)))
    expect(ids.size).toBe(1000)
  })
})

describe("a UUIDv5", () => {
  const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
  const url = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"

  it.each([
    // RFC 9562, appendix A.4
    [dns, "www.example.com", "2ed6657d-e927-568b-95e1-2665a8aea6a2"],
    // The example of Python's uuid module
    [dns, "python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"],
    [url, "", "1b4db7eb-4057-5ddf-91e0-36dec72071f5"],
    [url, "кредит €", "bb0391ec-1a3a-531b-82e1-487d1ff3bba1"]
  ])("in %s of %j is %s", (namespace, name, id) => {
    expect(uuidV5(namespace, name)).toBe(id)
  })

  it("is the same for the same name, of version 5, and another for another name", () => {
    forAll([fc.string(), fc.string()], (a, b) => {
      expect(uuidV5(dns, a)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(uuidV5(dns, a) === uuidV5(dns, b)).toBe(a === b)
      expect(uuidV5(dns, a)).not.toBe(uuidV5(url, a))
    })
  })
})
