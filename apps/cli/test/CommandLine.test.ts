import { readFileSync } from "node:fs"
import { cliDocs, collectHelp } from "@credit/cli/docs"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { bash, cli, quickly, withoutColours } from "./support/Cli.ts"
import { inProcess } from "./support/inProcess.ts"

/** The words of a line as a shell takes it apart: only quotes and pipes are used here. */
const words = (line: string): ReadonlyArray<string> =>
  [...(line.split(/ [|>]/)[0] ?? "").matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? ""
  )

describe("A command line that cannot be is told in one line, with exit code 2", () => {
  const wrong: ReadonlyArray<string> = [
    "user balance",
    "user balance ann bob",
    "user balance ann --colour",
    "user history ann --from yesterday",
    "user history ann --from 2026-02-30",
    "user history ann --reason luck",
    "user history ann --limit 501",
    "grant apply --credits 5",
    "grant apply --user ann",
    "grant apply --user ann --credits 0",
    "grant apply --user ann --credits 1.5",
    "grant apply --user ann --credits 9007199254740992",
    "grant apply --user ann --credits 5 --welcome",
    'grant apply --user ann --credits 5 --idempotency-key "with space"',
    "operation close not-an-id --used 1",
    "operation close 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44 --used 1.1234567",
    "--merchant UPPER user balance ann",
    "--url ftp://example.com user balance ann",
    "--url http://me:secret@example.com user balance ann",
    "--token x --token-file y user balance ann",
    "--token-file /nonexistent/token user balance ann",
    "--profile nowhere user balance ann",
    "--profile embedded user balance ann"
  ]

  for (const line of wrong) {
    it(line, async () => {
      const ended = await inProcess(words(line))
      expect(ended).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(/^credit-cli: [^\n]+\n$/) })
      expect(ended.stderr).not.toContain("secret")
    })
  }
})

describe("Every command explains itself", async () => {
  const [first, ...commands] = await Effect.runPromise(collectHelp)

  for (const doc of commands) {
    const path = (doc.commandPath ?? []).slice(1)

    it(`${path.join(" ")} has a description, examples that can be run, and help that fits`, async () => {
      expect(doc.description).not.toBe("")
      expect(doc.examples ?? []).not.toEqual([])
      for (const { command } of doc.examples ?? []) {
        const [name, ...args] = words(command)
        expect(name).toBe("credit-cli")
        // Without a token nothing is asked; a mistake in the example would end with 2, and so does what needs --yes.
        const { code, stderr } = await inProcess(args, { HOME: "/nonexistent", USER: "ada" })
        expect(stderr).toMatch(code === 2 ? /no terminal to ask on|There is no file|has no profile/ : /./)
        expect([2, 3, 4, 5]).toContain(code)
      }
      const help = await inProcess([...path, "--help"], {}, 80)
      expect(help.code).toBe(0)
      const { examples = [] } = doc
      const tooLong = withoutColours(help.stdout)

        .split("\n")
        .filter((line) => line.length > 80 && !examples.some(({ command }) => line.trim() === command))
      expect(tooLong).toEqual([])
      for (const flag of [...(doc.flags ?? []), ...(first?.globalFlags ?? [])]) {
        expect(flag.description._tag).toBe("Some")
      }
    })
  }

  it("docs/cli.md is what the commands say: npm run docs:cli writes it", async () => {
    const written = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8")
    expect(written).toBe(await Effect.runPromise(cliDocs()))
  })
})

describe("Completion", () => {
  it("in bash knows commands, their flags and the flags of every command", async () => {
    const complete = `
      source <("$0" --completions bash)
      COMP_WORDS=(credit-cli $1); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE="credit-cli $1"; COMP_POINT=\${#COMP_LINE}
      _credit_cli
      echo "\${COMPREPLY[@]}"`
    const { code, stdout } = await bash(complete, "user bal")
    expect({ code, stdout }).toEqual({ code: 0, stdout: "balance\n" })
    const flags = (await bash(complete, "grant apply --")).stdout.trim().split(" ")
    expect(flags).toEqual(expect.arrayContaining(["--user", "--idempotency-key", "--merchant", "--json"]))
  })

  it("is there for zsh and fish, too", async () => {
    for (const shell of ["zsh", "fish"]) {
      const { code, stdout } = await cli(["--completions", shell])
      expect(code).toBe(0)
      for (const word of ["balance", "idempotency-key", "profile"]) expect(stdout).toContain(word)
    }
    expect((await quickly(["--completions", "tcsh"])).code).toBe(2)
  })
})
