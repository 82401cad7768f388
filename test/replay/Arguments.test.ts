import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { readArguments } from "./Arguments.ts"
import { UsageError } from "./Target.ts"

const home = mkdtempSync(join(tmpdir(), "credit-replay-arguments-"))
afterAll(() => rmSync(home, { recursive: true }))

const embedded = {
  serviceUrl: "http://127.0.0.1:3000",
  merchants: {
    demo: { databaseUrl: "", tokens: { app: "demo-app", admin: "demo-admin" } },
    acme: { tokens: { app: "acme-app" } }
  },
  operatorToken: "operator"
}
writeFileSync(join(home, "embedded.json"), JSON.stringify(embedded))

const read = (...argv: ReadonlyArray<string>) => readArguments(argv, { CREDIT_HOME: home })

describe("The command line", () => {
  it("needs no more than a file: the rest is what npm start left, and defaults", () => {
    expect(read("trace.csv")).toEqual({
      file: "trace.csv",
      users: 200,
      concurrency: 64,
      seed: 1,
      target: { url: "http://127.0.0.1:3000", token: "demo-app" }
    })
  })

  it("may say all of it", () => {
    const argv = ["--users", "7", "--concurrency=2", "--seed", "0", "--merchant", "acme", "trace.csv"]
    expect(read(...argv)).toEqual({
      file: "trace.csv",
      users: 7,
      concurrency: 2,
      seed: 0,
      target: { url: "http://127.0.0.1:3000", token: "acme-app" }
    })
  })

  it("may name another service, for which npm start need not have left anything", () => {
    const target = { url: "https://credit.example", token: "mine" }
    const argv = ["trace.csv", "--url", target.url, "--token", target.token]
    expect(readArguments(argv, { CREDIT_HOME: join(home, "nowhere") })).toMatchObject({ target })
  })

  it("may ask for help", () => {
    expect(read("--help")).toBe("help")
    expect(read("trace.csv", "-h")).toBe("help")
  })

  const wrong: ReadonlyArray<readonly [argv: ReadonlyArray<string>, says: string]> = [
    [[], "Give one trace file"],
    [["one.csv", "two.csv"], "Give one trace file"],
    [["trace.csv", "--users", "0"], "--users must be a whole number from 1 to 100000, not 0"],
    [["trace.csv", "--users", "1.5"], "--users"],
    [["trace.csv", "--concurrency", "many"], "--concurrency"],
    [["trace.csv", "--seed", "-1"], "--seed"],
    [["trace.csv", "--seed", "4294967296"], "--seed"],
    [["trace.csv", "--seed"], "--seed"],
    [["trace.csv", "--colour"], "--colour"],
    [["trace.csv", "--url", "localhost:3000"], "--url must be an http:// or https:// address"],
    [["trace.csv", "--merchant", "nobody"], "knows no merchant nobody, but: demo, acme"]
  ]
  for (const [argv, says] of wrong) {
    it(`is refused in one line: ${argv.join(" ") || "(nothing)"}`, () => {
      expect(() => read(...argv)).toThrow(UsageError)
      expect(() => read(...argv)).toThrow(says)
      expect(() => read(...argv)).not.toThrow(/\n/)
    })
  }

  it("says what to do where no service is known, or the file that names it is damaged", () => {
    expect(() => readArguments(["trace.csv"], { CREDIT_HOME: join(home, "nowhere") })).toThrow(
      "start the service with npm start, or give --url and --token"
    )
    writeFileSync(join(home, "embedded.json"), "{")
    expect(() => read("trace.csv")).toThrow("start the service anew")
  })
})
