import { spawn } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { inProcess } from "./inProcess.ts"

const bin = fileURLToPath(new URL("../../bin/credit-cli", import.meta.url))

/** How a command line ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Given {
  /** Besides that of an operator of the merchant `shop`; `undefined` takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Typed as soon as it asks. */
  readonly answer?: string
  /** Called once it runs, with what sends it a signal. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
}

/** A home of its own for every test file: nobody's configuration plays a part. */
const home = mkdtempSync(join(tmpdir(), "credit-cli-home-"))

/** The environment of an operator of the merchant `shop`. */
const asOperator = () => ({
  HOME: home,
  CREDIT_SERVICE_URL: inject("service").url,
  CREDIT_SERVICE_JWT: inject("service").operatorToken,
  DEFAULT_MERCHANT_ID: "shop"
})

/** The same without a process of its own, for what only prepares the ground, and for the variants of what `cli` has shown. */
export const quickly = (args: ReadonlyArray<string>, given: Pick<Given, "environment"> = {}): Promise<Ended> =>
  inProcess(args, { ...asOperator(), ...given.environment })

/** Runs `credit-cli` as a user does: the file that npm links, in a process of its own, with pipes. */
export const cli = (args: ReadonlyArray<string>, given: Given = {}): Promise<Ended> => start(bin, args, given)

/** Runs `credit-cli` on a terminal of so many columns. Both of its outputs come as one. */
export const cliOnTerminal = async (
  args: ReadonlyArray<string>,
  { columns = 80, ...given }: Given & { readonly columns?: number } = {}
): Promise<Ended> => {
  const line = [bin, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ")
  const ended = await start("script", ["-qec", `stty cols ${columns} rows 40; exec ${line}`, "/dev/null"], given)
  return { ...ended, stdout: ended.stdout.replaceAll("\r\n", "\n") }
}

/** Runs a script of bash; `$0` is `credit-cli`. */
export const bash = (script: string, ...args: ReadonlyArray<string>): Promise<Ended> =>
  start("bash", ["-c", script, bin, ...args], {})

/** The words of a screen, without its colours. */
export const withoutColours = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "")

/** Processes of Node are heavy: only so many at a time. */
const MOST = 4
let running = 0
const waiting: Array<() => void> = []

const start = async (program: string, args: ReadonlyArray<string>, given: Given): Promise<Ended> => {
  if (running >= MOST) await new Promise<void>((resolve) => waiting.push(resolve))
  else running += 1
  try {
    return await spawned(program, args, given)
  } finally {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
}

const spawned = (program: string, args: ReadonlyArray<string>, given: Given): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const environment = {
      PATH: process.env.PATH,
      TERM: "xterm-256color",
      NODE_COMPILE_CACHE: inject("service").compileCache,
      ...asOperator(),
      ...given.environment
    }
    const child = spawn(program, args, {
      cwd: given.cwd ?? home,
      env: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)),
      stdio: "pipe"
    })
    let stdout = ""
    let stderr = ""
    let asked = false
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      if (asked || given.answer === undefined || !stdout.includes("(y/N)")) return
      asked = true
      child.stdin.write(given.answer)
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout, stderr }))
    given.onStart?.((signal) => child.kill(signal))
    if (given.answer === undefined) child.stdin.end()
  })

/** What it answered in JSON; fails with everything it said if that is none. */
export const json = (ended: Ended): Record<string, unknown> => {
  try {
    return JSON.parse(ended.stdout)
  } catch {
    throw new Error(`No JSON, but ended with ${ended.code}:\n${ended.stdout}\n${ended.stderr}`)
  }
}
