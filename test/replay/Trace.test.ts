import { describe, expect, it } from "vitest"
import { parseTrace, TraceError } from "./Trace.ts"

const NOW = Date.UTC(2026, 10, 23)
const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
const parse = (...lines: ReadonlyArray<string>) => parseTrace(lines.join("\n"), NOW)

describe("A trace", () => {
  it("is read request by request, in the order of the file", () => {
    expect(parse(HEADER, "2023-11-16 18:17:03.9799600,4808,10", "2023-11-16 18:17:04.0319600,3180,8")).toEqual([
      { row: 1, at: Date.UTC(2023, 10, 16, 18, 17, 3, 979), contextTokens: 4808, generatedTokens: 10 },
      { row: 2, at: Date.UTC(2023, 10, 16, 18, 17, 4, 31), contextTokens: 3180, generatedTokens: 8 }
    ])
  })

  it("is read whatever wrote it: other columns, another order, a byte order mark, CRLF, blank lines", () => {
    const text = "\uFEFFid,GeneratedTokens, TIMESTAMP ,ContextTokens\r\n7,10,2023-11-16T18:17:03Z,4808\r\n\r\n"
    expect(parseTrace(text, NOW)).toEqual([
      { row: 1, at: Date.UTC(2023, 10, 16, 18, 17, 3), contextTokens: 4808, generatedTokens: 10 }
    ])
  })

  it("may have requests without a token", () => {
    expect(parse(HEADER, "2023-11-16 18:17:03,0,0")).toHaveLength(1)
  })

  const row = (timestamp: string, context: string, generated: string) => [`${timestamp},${context},${generated}`]
  const good = "2023-11-16 18:17:03.9799600"
  const bad: Readonly<Record<string, readonly [lines: ReadonlyArray<string>, says: string]>> = {
    "without anything in it": [[""], "no column TIMESTAMP"],
    "without a header": [row(good, "1", "1"), "no column TIMESTAMP"],
    "without one of the columns": [["TIMESTAMP,ContextTokens", `${good},1`], "no column GeneratedTokens"],
    "without a request": [[HEADER, ""], "holds no request"],
    "with a line that ends early": [[HEADER, `${good},1`], "Line 2 of the trace: GeneratedTokens"],
    "with a negative number": [
      [HEADER, ...row(good, "1", "1"), ...row(good, "-5", "1")],
      "Line 3 of the trace: Context"
    ],
    "with a fraction": [[HEADER, ...row(good, "1.5", "1")], '"1.5"'],
    "with an exponent": [[HEADER, ...row(good, "1e3", "1")], '"1e3"'],
    "with a word": [[HEADER, ...row(good, "many", "1")], '"many"'],
    "with an absurd number": [[HEADER, ...row(good, "1", "100000001")], "more than 100000000"],
    "with a number beyond all numbers": [[HEADER, ...row(good, "1", "9".repeat(400))], "Line 2"],
    "with a day that its month does not have": [[HEADER, ...row("2023-02-30 00:00:00", "1", "1")], "2023-02-30"],
    "with an hour that no day has": [[HEADER, ...row("2023-02-03 24:00:00", "1", "1")], "24:00"],
    "with a time that is none": [[HEADER, ...row("yesterday", "1", "1")], '"yesterday"'],
    "from before there was anything to buy": [[HEADER, ...row("2019-12-31 23:59:59", "1", "1")], "before 2020"],
    "from the future": [[HEADER, ...row("2026-11-24 00:00:00", "1", "1")], "in the future"]
  }
  for (const [name, [lines, says]] of Object.entries(bad)) {
    it(`${name} is refused in one line that says where`, () => {
      const read = () => parse(...lines)
      expect(read).toThrow(TraceError)
      expect(read).toThrow(says)
      expect(read).not.toThrow(/\n|.{200}/)
    })
  }
})
