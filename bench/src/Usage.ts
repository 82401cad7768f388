import { readdirSync, readFileSync } from "node:fs"

/** The kernel's clock ticks in /proc: 100 a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** A process's line in /proc from the state on, which follows the name in brackets; undefined if it has ended. */
const statOf = (pid: number): ReadonlyArray<string> | undefined => {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8")
    return line.slice(line.lastIndexOf(")") + 2).split(" ")
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) {
      return undefined
    }
    throw error
  }
}

/** CPU seconds that processes have used, user and system. */
export const cpuSeconds = (pids: ReadonlyArray<number>): number =>
  pids.reduce((sum, pid) => sum + ticks(statOf(pid), 11, 12), 0) / TICKS_PER_SECOND

/** Likewise of a process and its children, those it has buried included: PostgreSQL has one for each connection. */
export const cpuSecondsOfTree = (pid: number): number => {
  const stats = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ child: Number(name), stat: statOf(Number(name)) }))
  return (
    stats
      .filter(({ child, stat }) => child === pid || stat?.[1] === `${pid}`)
      .reduce((sum, { stat }) => sum + ticks(stat, 11, 12, 13, 14), 0) / TICKS_PER_SECOND
  )
}

const ticks = (stat: ReadonlyArray<string> | undefined, ...fields: ReadonlyArray<number>): number =>
  fields.reduce((sum, field) => sum + Number(stat?.[field] ?? 0), 0)

/** CPU seconds that the whole machine has been busy: all but idle and waiting for disks; stolen time counts as busy. */
export const busySeconds = (): number => {
  const [, , user, nice, system, , , irq, softIrq, steal] = readFileSync("/proc/stat", "utf8").split(/ |\n/)
  return ticks([user, nice, system, irq, softIrq, steal].map(String), 0, 1, 2, 3, 4, 5) / TICKS_PER_SECOND
}

/** The memory a process has in RAM now, in MiB. */
export const residentMebibytes = (pid: number): number => {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  if (found === null) throw new Error(`process ${pid} tells no VmRSS`)
  return Number(found[1]) / 1024
}
