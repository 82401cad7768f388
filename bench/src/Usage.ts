import { readdirSync, readFileSync } from "node:fs"

/** The kernel's clock ticks in /proc: 100 a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** A process's line in /proc from the state on, which follows the name in brackets; undefined if it has ended. */
const statOf = (pid: number): ReadonlyArray<string> | undefined => {
  const line = read(`/proc/${pid}/stat`)
  return line?.slice(line.lastIndexOf(")") + 2).split(" ")
}

/** A file of /proc; undefined if its process has ended. */
const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
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
export const cpuSecondsOfTree = (pid: number): number =>
  treeOf(pid).reduce((sum, it) => sum + ticks(statOf(it), 11, 12, 13, 14), 0) / TICKS_PER_SECOND

/** A process and its children. */
export const treeOf = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => child === pid || statOf(child)?.[1] === `${pid}`)

const ticks = (stat: ReadonlyArray<string> | undefined, ...fields: ReadonlyArray<number>): number =>
  fields.reduce((sum, field) => sum + Number(stat?.[field] ?? 0), 0)

/** CPU seconds that the whole machine has been busy: all but idle and waiting for disks; stolen time counts as busy. */
export const busySeconds = (): number => {
  const [, , user, nice, system, , , irq, softIrq, steal] = readFileSync("/proc/stat", "utf8").split(/ |\n/)
  return ticks([user, nice, system, irq, softIrq, steal].map(String), 0, 1, 2, 3, 4, 5) / TICKS_PER_SECOND
}

/** The memory a process has in RAM now, in MiB. */
export const residentMebibytes = (pid: number): number => mebibytes(pid, "status", /^VmRSS:\s+(\d+) kB$/m)

/** Likewise of a process and its children, what they share counted once. */
export const residentMebibytesOfTree = (pid: number): number =>
  treeOf(pid).reduce((sum, it) => sum + mebibytes(it, "smaps_rollup", /^Pss:\s+(\d+) kB$/m), 0)

/** 0 for a process that has ended. */
const mebibytes = (pid: number, file: string, line: RegExp): number =>
  Number(line.exec(read(`/proc/${pid}/${file}`) ?? "")?.[1] ?? 0) / 1024
