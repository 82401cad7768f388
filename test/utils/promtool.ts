import { execFile } from "node:child_process"
import { mkdir, readdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { aptGet, hasApt, isThere, type Missing, reasonOf } from "./debianPackages.ts"

const run = promisify(execFile)

/**
 * Prometheus' tool for checking. Where the machine has none, and this is root's, it is taken out of Debian's package, which is not
 * installed: that would start a Prometheus.
 */
export const findPromtool = async (): Promise<string | Missing> => {
  try {
    await run("promtool", ["--version"])
    return "promtool"
  } catch {
    return takeFromPackage()
  }
}

const takeFromPackage = async (): Promise<string | Missing> => {
  const folder = join(tmpdir(), "credit-promtool")
  const promtool = join(folder, "usr/bin/promtool")
  if (await isThere(promtool)) return promtool
  const advice = "it needs promtool: apt-get install prometheus"
  if (!(await hasApt())) return { missing: advice }
  process.stderr.write("Taking promtool out of Debian's package for the tests: apt-get download prometheus\n")
  try {
    await mkdir(folder, { recursive: true })
    await aptGet({ cwd: folder }, "update")
    await aptGet({ cwd: folder }, "download", "prometheus")
    const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"))
    if (archive === undefined) return { missing: advice }
    await run("dpkg-deb", ["-x", join(folder, archive), folder])
  } catch (error) {
    return { missing: `${advice} (which failed: ${reasonOf(error)})` }
  }
  return (await isThere(promtool)) ? promtool : { missing: advice }
}
