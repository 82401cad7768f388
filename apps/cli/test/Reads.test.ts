import { mkdtemp, readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, describe, expect, inject, it } from "vitest"
import { cli, cliOnTerminal, json, quickly, withoutColours } from "./support/Cli.ts"

/** One user with a purchase, a grant, and an operation that was closed. */
let operationId = ""
beforeAll(async () => {
  await quickly([
    ...["purchase", "settle", "--user", "rea", "--product", "starter", "--payment", "reads-1"],
    ...["--amount", "9.99", "--currency", "USD", "--country", "DE"]
  ])
  await quickly(["grant", "apply", "--user", "rea", "--credits", "50", "--period", "10", "--reason", "hello"])
  const opened = json(
    await quickly(["operation", "open", "--user", "rea", "--type", "llm_tokens", "--estimate", "4", "--json"])
  )
  operationId = Object(opened.operation).operationId
  await quickly(["operation", "close", operationId, "--used", "3.271"])
})

describe("What there is to read of a user", () => {
  it("a statement ties out, and tells what expires next", async () => {
    const text = await cli(["user", "statement", "rea"])
    expect(text).toMatchObject({ code: 0, stderr: "" })
    expect(text.stdout).toMatch(/^Statement of rea, 20[^\n]+\n\nopening +0 credits\n/)
    expect(text.stdout).toMatch(/\nclosing +148 credits, so far\n/)
    expect(text.stdout).toMatch(/\nWhat expires next\n\nEXPIRES +CREDITS +LOT\n[^\n]+ 50 [^\n]+\n[^\n]+ 98 /)
    const { closing, entries, nextExpiries, opening } = json(await cli(["user", "statement", "rea", "--json"]))
    const amounts = Object(entries).map(({ amount }: { readonly amount: number }) => amount)
    expect(amounts.reduce((sum: number, amount: number) => sum + amount, opening)).toBe(closing)
    expect(nextExpiries).toMatchObject([{ creditsRemaining: 50 }, { creditsRemaining: 98 }])
    expect((await cli(["user", "statement", "rea", "--month", "2026-01"])).stdout).toMatch(/closing +0 credits\n/)
    expect((await quickly(["user", "statement", "rea", "--month", "2026-13"])).code).toBe(2)
    expect((await quickly(["user", "statement", "rea", "--month", "2026-01", "--from", "7d"])).code).toBe(2)
    expect((await quickly(["user", "statement", "rea", "--to", "2026-01-01"])).code).toBe(2)
  })

  it("a timeline is a chart within the terminal, and points in JSON", async () => {
    const { points } = json(await quickly(["user", "timeline", "rea", "--from", "1h", "--json"]))
    expect(points).toMatchObject([{ balance: 0 }, { balance: 100 }, { balance: 150 }, { balance: 148 }])
    const screen = withoutColours(
      (await cliOnTerminal(["user", "timeline", "rea", "--from", "1h"], { columns: 70 })).stdout
    )
    expect(screen).toMatch(/^Balance of rea\n\n150 ┤/)
    expect(screen).toMatch(/\n {2}0 ┤─+╯\n/)
    expect(Math.max(...screen.split("\n").map((line) => line.length))).toBeLessThanOrEqual(70)
  })

  it("everything at a glance, purchases, usage, and who paid", async () => {
    const shown = await cli(["user", "show", "rea"])
    expect(shown.stdout).toMatch(/\nentries +3\n/)
    expect(shown.stdout).toMatch(/Open operations\n\nNone\n\nLatest entries\n/)
    expect(json(await quickly(["user", "show", "rea", "--json"]))).toMatchObject({
      entryCount: 3,
      latestPurchases: [{}]
    })
    expect((await cli(["user", "purchases", "rea"])).stdout).toMatch(/\nreads-1 +20[^\n]+ starter +100 +9\.99 USD/)
    expect(json(await quickly(["user", "purchases", "rea", "--json"]))).toMatchObject({
      purchases: [{ externalRef: "reads-1" }]
    })
    expect((await cli(["user", "find", "reads-1"])).stdout).toMatch(/\nrea +reads-1 /)
    expect(json(await quickly(["user", "find", "reads-", "--prefix", "--json"])).purchases).toHaveLength(1)
    expect((await cli(["user", "find", "reads"])).stdout).toBe("No such payment\n")
    expect((await cli(["user", "usage", "rea", "--from", "1h", "--by", "day"])).stdout).toMatch(
      /llm_tokens +1 +3\.271 +K_TOKENS +2\n/
    )
    expect(json(await quickly(["user", "usage", "rea", "--json"]))).toMatchObject({ usage: [{ credits: 2 }] })
  })

  it("why something is as it is", async () => {
    const text = await cli(["explain", "operation", operationId])
    expect(text.stdout).toMatch(/^- Operation [\s\S]+\(rule 6\)/)
    const { entries, lots } = json(await quickly(["explain", "operation", operationId, "--json"]))
    expect((await cli(["explain", "entry", Object(entries)[0].entryId])).stdout).toMatch(/\n- #3 took 2 credits/)
    expect((await cli(["explain", "lot", Object(lots)[0].lotId])).stdout).toMatch(/of which 98 remain/)
    const granted = json(await quickly(["grant", "apply", "--user", "exp", "--credits", "5", "--json"]))
    const told = await cli(["explain", "command", "Grant.Apply", String(granted.idempotencyKey)])
    expect(told.stdout).toMatch(/^- Grant\.Apply of [^\n]+ succeeded\.\n/)
    const nothing = await cli(["explain", "operation", "019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44"])
    expect(nothing).toMatchObject({ code: 1, stdout: "" })
  })
})

describe("What there is to read of a merchant", () => {
  it("how operations went, and who did what", async () => {
    expect((await cli(["operation", "metrics", "--type", "llm_tokens"])).stdout).toMatch(
      /^TYPE +OPENED [\s\S]+\nllm_tokens /
    )
    expect(json(await quickly(["operation", "metrics", "--from", "1h", "--json"]))).toHaveProperty("operationTypes")
    expect((await cli(["audit", "list", "--limit", "5"])).stdout).toMatch(
      /^WHEN +WHO +AS +COMMAND +OUTCOME +KEY\n[^\n]+ olga +operator /
    )
    expect(json(await quickly(["audit", "list", "--from", "1h", "--limit", "1", "--json"]))).toMatchObject({
      records: [{ actor: "olga" }]
    })
  })

  it("the ledger goes into a file or a pipe, and no file is written over", async () => {
    const file = join(await mkdtemp(join(tmpdir(), "credit-cli-export-")), "ledger.csv")
    const range = ["--from", "2026-01-01", "--to", "2026-02-01"]
    const exported = await cli(["ledger", "export", "--format", "csv", ...range, "-o", file])
    expect(exported).toMatchObject({ code: 0, stdout: `0 entries in ${file}\n` })
    expect(await readFile(file, "utf8")).toMatch(/^(?:|[A-Za-z]+,[^\n]+\r?\n)$/)
    expect(await cli(["ledger", "export", "-o", file])).toMatchObject({ code: 2, stdout: "" })
    expect(json(await quickly(["ledger", "export", ...range, "-o", `${file}.json`, "--json"]))).toMatchObject({
      entries: 0
    })
    const piped = await cli(["ledger", "export", "--user", "rea"])
    expect(piped).toMatchObject({ code: 0, stderr: expect.stringMatching(/entr(?:y|ies), up to a minute ago\n$/) })
    for (const line of piped.stdout.split("\n").slice(0, -1)) expect(JSON.parse(line)).toMatchObject({ userId: "rea" })
    expect(
      (await cli(["ledger", "export"], { environment: { CREDIT_SERVICE_JWT: inject("service").appToken } })).code
    ).toBe(3)
  })
})
