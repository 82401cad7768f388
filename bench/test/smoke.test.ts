import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { scenarios } from "../src/Scenario.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const run = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, ["--conditions=source", main, ...args], { timeout: 115_000 })

describe("The benchmarks", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "credit-bench-test-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it("run every scenario against the service, verify its ledger and report", async () => {
    const file = join(folder, "bench.json")
    const { stdout } = await run("--smoke", "--json", file)
    const reported = stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 2).join("@"))
    expect(reported).toEqual(expect.arrayContaining(scenarios.map(({ callers, name }) => `${name}@${callers}`)))
    expect(stdout).toMatch(/pairs@64 \/ floor: \d/)
    expect(stdout).toMatch(/pairs-coalesced@64 \/ floor: \d/)
    expect(stdout).toMatch(/reads@64 \/ echo@64: \d/)
    expect(stdout).toContain("balances, lots, holds and hashes verified")
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({
      rounds: 1,
      scenarios: scenarios.map((scenario) => ({ scenario, rounds: [{ cpu: {} }] }))
    })
  }, 120_000)

  it("refuse a scenario that there is not, in one line", async () => {
    await expect(run("--scenario", "nonsense")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^No scenario nonsense; there are pairs, .*\n$/)
    })
  })
})
