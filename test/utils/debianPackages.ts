import { execFile } from "node:child_process"
import { access } from "node:fs/promises"
import { promisify } from "node:util"

const run = promisify(execFile)

/** What a suite needs and this machine has not: what to do about it. */
export interface Missing {
  readonly missing: string
}

/** Says loudly that a suite does not run; where every suite must (`REQUIRE_ALL_SUITES=1`), that is a failure. */
export const cannotRun = (suite: string, { missing }: Missing): void => {
  if (process.env.REQUIRE_ALL_SUITES === "1") throw new Error(`${suite} cannot run: ${missing}`)
  process.stderr.write(`\n!!! NOT TESTED: ${suite}: ${missing}\n\n`)
}

export const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false
  )

/** Whether Debian's packages can be had here: this is root's machine, and it has apt. */
export const hasApt = async (): Promise<boolean> => process.getuid?.() === 0 && (await isThere("/usr/bin/apt-get"))

/** Runs apt-get, one call at a time on this machine: apt does not wait for another one. */
export const aptGet = async (
  options: { readonly cwd?: string },
  ...parameters: ReadonlyArray<string>
): Promise<void> => {
  await run("flock", ["/tmp/credit-apt.lock", "apt-get", "-q", ...parameters], {
    cwd: options.cwd ?? "/",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    timeout: 300_000,
    maxBuffer: 16 * 1024 * 1024
  })
}

/** The first line of what went wrong. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? ""
