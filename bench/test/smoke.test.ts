import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readArguments } from "../src/Arguments.ts"
import { titleOf } from "../src/Scenario.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const run = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, ["--conditions=source", main, ...args], { timeout: 295_000 })

describe("The benchmarks", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "credit-bench-test-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it("run every scenario against the service, verify its ledgers and report, with every target", async () => {
    const [json, document] = [join(folder, "bench.json"), join(folder, "performance.md")]
    const markers = ["<!-- written by npm run bench: begin -->", "<!-- written by npm run bench: end -->"]
    await writeFile(document, `# Before\n\n${markers.join("\nwhat the last run found\n")}\n\nAfter\n`)

    const { stdout } = await run("--smoke", "--json", json, "--markdown", document)

    const given = readArguments(["--smoke"])
    if (given === "help") throw new Error("asked for help")
    const titles = given.scenarios.map(titleOf)
    expect(titles.length).toBeGreaterThan(25)
    const { loads, probes, targets } = JSON.parse(await readFile(json, "utf8"))
    expect([...loads, ...probes].map(({ scenario }) => titleOf(scenario))).toEqual(titles)
    expect(probes.length).toBeGreaterThan(0)
    for (const { rounds } of probes) expect(rounds[0]?.value).toBeTypeOf("number")
    expect(targets).toHaveLength(14)
    for (const { measured, name } of targets) {
      expect(`${measured}`).not.toContain("NaN")
      expect(stdout).toContain(name)
    }
    expect(stdout).toContain("balances, lots, holds and hashes verified")

    const text = await readFile(document, "utf8")
    expect(text).toMatch(/^# Before\n\n<!-- .* begin -->\n\n[\s\S]*\n\n<!-- .* end -->\n\nAfter\n$/)
    expect(text).not.toContain("what the last run found")
    expect(text).toContain("| pairs | 64 |")
    expect(text).toContain("](performance.svg)")
    expect(await readFile(join(folder, "performance.svg"), "utf8")).toMatch(/^<svg [\s\S]*pairs@64[\s\S]*<\/svg>\n$/)
  }, 300_000)

  it("refuse at once, in one line, what cannot be", async () => {
    for (const [args, message] of [
      [["nonsense"], /^No scenario nonsense; there are pairs, .*\n$/],
      [["--growth", "1e4,many"], /^--growth takes numbers of entries .*\n$/],
      [["--markdown", main], /main\.ts has no section marked .*\n$/]
    ] as const) {
      await expect(run(...args)).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(message) })
    }
  })
})
