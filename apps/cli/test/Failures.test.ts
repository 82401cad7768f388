import { readFileSync } from "node:fs"
import { chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, inject, it } from "vitest"
import { freePort } from "../../../test/utils/freePort.ts"
import { cli, json, quickly } from "./support/Cli.ts"

/** One line on the standard error, and nothing on the standard output. */
const oneLine = expect.stringMatching(/^credit-cli: [^\n]+\n$/)

const withToken = (token: string | undefined) => ({ environment: { CREDIT_SERVICE_JWT: token } })

describe.concurrent("What goes wrong is told in one line, and in the exit code", () => {
  it("0: help and version", async () => {
    for (const args of [[], ["--help"], ["user", "--help"], ["user", "balance", "--help"], ["--version"]]) {
      expect(await cli(args)).toMatchObject({ code: 0, stderr: "" })
    }
  })

  it("1: the service decided and said no", async () => {
    const refused = await cli(["receipt", "show", "R-1999-0001"])
    expect(refused).toEqual({ code: 1, stdout: "", stderr: oneLine })
    expect(refused.stderr).toContain("There is no such receipt")
    expect(await cli(["-m", "stranger", "user", "balance", "ann"])).toEqual({ code: 1, stdout: "", stderr: oneLine })
  })

  it("2: the command line cannot be", async () => {
    const misspelt = await cli(["usr", "balance"])
    expect(misspelt).toEqual({ code: 2, stdout: "", stderr: oneLine })
    expect(misspelt.stderr).toContain("Did you mean this? user")
    expect(await cli(["user", "balance", "not a user"])).toEqual({ code: 2, stdout: "", stderr: oneLine })
    const cursor = await cli(["user", "history", "ann", "--cursor", "nowhere at all"])
    expect(cursor).toEqual({ code: 2, stdout: "", stderr: oneLine })
    expect(cursor.stderr).toContain("cursor: ")
  })

  it("3: no token, not a valid one, or too small a role", async () => {
    const { appToken } = inject("service")
    expect(await cli(["user", "balance", "ann"], withToken(undefined))).toEqual({
      code: 3,
      stdout: "",
      stderr: oneLine
    })
    const broken = await cli(["user", "balance", "ann"], withToken(`${appToken}x`))
    expect(broken).toEqual({ code: 3, stdout: "", stderr: oneLine })
    expect(broken.stderr).not.toContain(appToken.slice(0, 20))
    const small = await cli(["grant", "apply", "--user", "ann", "--credits", "5"], withToken(appToken))
    expect(small).toEqual({ code: 3, stdout: "", stderr: oneLine })
    expect(small.stderr).toContain("This needs the role admin, and the token's is app")
  })

  it("4: nobody there, and somebody else there", async () => {
    const nobody = { environment: { CREDIT_SERVICE_URL: `http://127.0.0.1:${await freePort()}` } }
    const query = await cli(["user", "balance", "ann", "--wait", "0"], nobody)
    expect(query).toEqual({ code: 4, stdout: "", stderr: oneLine })
    expect(query.stderr).toContain("ECONNREFUSED")
    expect(await cli(["health"], nobody)).toEqual({ code: 4, stdout: "", stderr: oneLine })
    const command = await cli(["grant", "apply", "--user", "ann", "--credits", "5", "--wait", "0"], nobody)
    expect(command).toEqual({ code: 4, stdout: "", stderr: oneLine })
    expect(command.stderr).toMatch(/again with --idempotency-key [0-9a-f-]{36}: nothing is done twice/)

    const other = createServer((_, response) => response.writeHead(404, { "content-type": "text/html" }).end("<html>"))
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const address = other.address()
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
    const page = await cli(["user", "balance", "ann", "--url", url])
    expect(page).toEqual({ code: 4, stdout: "", stderr: oneLine })
    expect(page.stderr).toContain("HTTP 404")
    other.close()
  })

  it("in JSON, the failure is one document on the standard error", async () => {
    const refused = await cli(["receipt", "show", "R-1999-0001", "--json"])
    expect(refused.stdout).toBe("")
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { _tag: "ReceiptNotFound" }, exitCode: 1 })
    const wrong = await cli(["user", "balance", "--json"])
    expect(wrong.stdout).toBe("")
    expect(JSON.parse(wrong.stderr)).toMatchObject({ error: { _tag: "UsageProblem" }, exitCode: 2 })
  })

  it("a command whose answer is lost leaves its key behind, and the same key finds out", async () => {
    const { url } = inject("service")
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve))
    const address = silent.address()
    const there = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
    const grant = ["grant", "apply", "--user", "lost", "--credits", "5"]
    silent.once("connection", () => silent.emit("reached"))
    const interrupted = await cli([...grant, "--url", there], {
      onStart: (kill) => silent.once("reached", () => kill("SIGINT"))
    })
    silent.closeAllConnections()
    silent.close()
    expect(interrupted.code).toBe(130)
    const [, key = ""] = /--idempotency-key (\S+)/.exec(interrupted.stderr) ?? []
    expect(json(await cli([...grant, "--url", url, "--idempotency-key", key, "--json"]))).toMatchObject({
      meta: { replayed: false }
    })
  })
})

describe.concurrent("Which service, as whom", () => {
  const folder = () => mkdtemp(join(tmpdir(), "credit-cli-config-"))

  const config = async (text: string, mode = 0o600) => {
    const home = await folder()
    await mkdir(join(home, "credit-cli"))
    await writeFile(join(home, "credit-cli", "config.toml"), text)
    await chmod(join(home, "credit-cli", "config.toml"), mode)
    return home
  }

  const nothing = { CREDIT_SERVICE_URL: undefined, CREDIT_SERVICE_JWT: undefined, DEFAULT_MERCHANT_ID: undefined }

  it("flags go before the environment, the environment before the default profile, a named profile before both", async () => {
    const { operatorToken, url } = inject("service")
    const home = await config(
      `default = "here"\n[profiles.here]\nurl = "${url}"\nmerchant = "shop"\ntoken = "${operatorToken}"\n` +
        `[profiles.nowhere]\nurl = "http://127.0.0.1:1"\ntoken = "x"`
    )
    const ask = (environment: Readonly<Record<string, string | undefined>>, ...args: ReadonlyArray<string>) =>
      cli(["user", "balance", "ann", "--wait", "0", ...args], {
        environment: { ...nothing, XDG_CONFIG_HOME: home, ...environment }
      })
    const elsewhere = { CREDIT_SERVICE_URL: "http://127.0.0.1:1", CREDIT_SERVICE_JWT: "x" }
    const codes = await Promise.all([
      ask({}),
      ask(elsewhere),
      ask(elsewhere, "--url", url, "--token", operatorToken, "--merchant", "shop"),
      ask(elsewhere, "--profile", "here"),
      ask({}, "--profile", "nowhere"),
      ask({ CREDIT_PROFILE: "nowhere" })
    ])
    expect(codes.map(({ code }) => code)).toEqual([0, 4, 0, 0, 4, 4])
  })

  it("a profile's token goes to its own service and to no other", async () => {
    const home = await config(`default = "here"\n[profiles.here]\nurl = "http://127.0.0.1:1"\ntoken = "x"`)
    const other = await cli(["user", "balance", "ann", "--url", inject("service").url], {
      environment: { ...nothing, XDG_CONFIG_HOME: home }
    })
    expect(other).toEqual({ code: 2, stdout: "", stderr: oneLine })
    expect(other.stderr).toContain("it is not sent elsewhere")
  })

  it("a token that everybody can read is refused", async () => {
    const home = await config(`[profiles.a]\nurl = "http://127.0.0.1:1"\ntoken = "x"`, 0o644)
    const open = await cli(["user", "balance", "ann"], { environment: { XDG_CONFIG_HOME: home } })
    expect(open).toEqual({ code: 2, stdout: "", stderr: expect.stringContaining("chmod 600") })
    const file = join(await folder(), "token")
    await writeFile(file, `${inject("service").operatorToken}\n`)
    await chmod(file, 0o644)
    expect((await quickly(["user", "balance", "ann", "--token-file", file])).code).toBe(2)
    await chmod(file, 0o600)
    expect((await cli(["user", "balance", "ann", "--token-file", file], withToken("x"))).code).toBe(0)
  })

  it("a mistake in the configuration is named by its place, never by its value", async () => {
    const broken = await config(`[profiles.a]\nurl = "http://x"\ntoken = hush`)
    const typo = await config(`[profiles.a]\nurl = "http://x"\ntokn = "hush"`)
    for (const home of [broken, typo]) {
      const ended = await cli(["user", "balance", "ann"], { environment: { XDG_CONFIG_HOME: home } })
      expect(ended).toEqual({ code: 2, stdout: "", stderr: oneLine })
      expect(ended.stderr).not.toContain("hush")
    }
  })

  it("where nothing is configured, the service of npm start in this folder is meant", async () => {
    const { operatorToken, url } = inject("service")
    const cwd = await folder()
    await mkdir(join(cwd, ".credit"))
    await writeFile(
      join(cwd, ".credit", "embedded.json"),
      JSON.stringify({ serviceUrl: url, merchants: { shop: {}, quiet: {} }, operatorToken }),
      { mode: 0o600 }
    )
    const ask = (...args: ReadonlyArray<string>) =>
      cli(["user", "balance", "emb", ...args], { cwd, environment: nothing })
    expect((await ask()).code).toBe(0)
    expect((await ask("--merchant", "quiet")).code).toBe(0)
    expect((await ask("--profile", "embedded")).code).toBe(0)
    const elsewhere = await cli(["user", "balance", "emb", "--profile", "embedded"], { environment: nothing })
    expect(elsewhere).toEqual({ code: 2, stdout: "", stderr: expect.stringContaining("npm start") })
  })

  it("the version is the package's", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
    expect((await cli(["--version"])).stdout).toBe(`credit-cli ${version}\n`)
  })
})
