import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"

/** The cores that this process may use, and so those that it starts. */
export const allowedCores = (): ReadonlyArray<number> => {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? ""
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** Lets processes, with all their threads and what they start from now on, run on these only of the allowed cores. */
export const pin = (pids: ReadonlyArray<number>, indexes: ReadonlyArray<number>): void => {
  const cores = allowedCores()
  set(
    pids,
    indexes.flatMap((index) => cores[index] ?? [])
  )
}

/** Takes that back. */
export const unpin = (pids: ReadonlyArray<number>): void => set(pids, allowedCores())

const set = (pids: ReadonlyArray<number>, cores: ReadonlyArray<number>): void => {
  for (const pid of pids) {
    try {
      // In util-linux, which no Linux goes without; Node has no call for this.
      execFileSync("taskset", ["-acp", cores.join(","), `${pid}`], { stdio: "pipe" })
    } catch (error) {
      // A backend may have ended meanwhile.
      if (existsSync(`/proc/${pid}`)) throw error
    }
  }
}
