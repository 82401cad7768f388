import { describe, expect, it } from "vitest"
import { cli, cliOnTerminal, json, quickly, withoutColours } from "./support/Cli.ts"

const widest = (screen: string) =>
  Math.max(
    ...withoutColours(screen)
      .split("\n")
      .map((line) => line.length)
  )

describe("On a terminal", () => {
  it("there is colour; with NO_COLOR, on a dumb terminal and in a pipe there is none", async () => {
    const colour = (await cliOnTerminal(["--help"])).stdout
    expect(colour).toContain("\u001b[1m")
    for (const environment of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
      expect((await cliOnTerminal(["--help"], { environment })).stdout).not.toContain("\u001b[")
    }
    expect((await cli(["--help"])).stdout).not.toContain("\u001b[")
    expect((await cliOnTerminal(["user", "balance"])).stdout).toContain("\u001b[31mcredit-cli:")
  })

  it("nothing runs over the edge, and what is typed again is whole", async () => {
    await quickly([
      "grant",
      "apply",
      "--user",
      "wide",
      "--credits",
      "50",
      "--reason",
      "a reason that goes on and on ".repeat(5)
    ])
    const open = ["operation", "open", "--user", "wide", "--type", "llm_tokens", "--estimate", "1", "--json"]
    const { operationId } = Object(json(await quickly(open)).operation)
    for (const columns of [60, 120]) {
      const list = await cliOnTerminal(["operation", "list", "wide"], { columns })
      expect(list.stdout).toContain(operationId)
      const screens = [
        list,
        ...(await Promise.all([
          cliOnTerminal(["user", "history", "wide"], { columns }),
          cliOnTerminal(["user", "balance", "wide"], { columns }),
          cliOnTerminal(["user", "lots", "wide"], { columns })
        ]))
      ]
      for (const { code, stdout } of screens) {
        expect(code).toBe(0)
        expect(widest(stdout)).toBeLessThanOrEqual(columns)
      }
    }
    const piped = await cli(["user", "history", "wide"])
    expect(piped.stdout).toContain("a reason that goes on and on ".repeat(5).trim())
  })

  it("control characters that somebody sent do not reach it", async () => {
    await quickly([
      "grant",
      "apply",
      "--user",
      "evil",
      "--credits",
      "1",
      "--reason",
      "\u001b[2J\u001b]0;owned\u0007\nhello"
    ])
    const { stdout } = await cliOnTerminal(["user", "history", "evil"], { columns: 200 })
    expect(stdout).toContain("\\u001b[2J\\u001b]0;owned\\u0007 hello")
    expect(stdout).not.toContain("\u001b[2J")
  })

  it("what cannot be taken back is asked about: no leaves it, yes does it, Ctrl-C ends with 130", async () => {
    await quickly(["grant", "apply", "--user", "ask", "--credits", "50"])
    const open = ["operation", "open", "--user", "ask", "--type", "llm_tokens", "--estimate", "1", "--json"]
    const { operationId } = Object(json(await quickly(open)).operation)
    const status = async () => json(await quickly(["operation", "show", operationId, "--json"])).status
    const cancel = ["operation", "cancel", operationId]
    expect((await cliOnTerminal(cancel, { answer: "n" })).code).toBe(1)
    expect(await status()).toBe("open")
    expect((await cliOnTerminal(cancel, { answer: "\u0003" })).code).toBe(130)
    expect(await status()).toBe("open")
    const agreed = await cliOnTerminal(cancel, { answer: "y" })
    expect(agreed.code).toBe(0)
    expect(await status()).toBe("cancelled")
  })
})
