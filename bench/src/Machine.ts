import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs"
import { availableParallelism, cpus, loadavg } from "node:os"
import { join } from "node:path"
import { openSession } from "../../test/utils/Session.ts"
import type { Ground } from "./Ground.ts"
import { median } from "./Statistics.ts"

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly postgres: string
  /** What waiting for the disk costs a lone commit, at best; next to nothing says that the disk does not keep its word. */
  readonly syncMillis: number
  /** Of the minute before: well above 0, somebody else was working, too. */
  readonly loadBefore: number
}

export const describeMachine = async (ground: Ground, loadBefore: number): Promise<Machine> => {
  const session = await openSession(ground.superuserUrl)
  try {
    const [row] = await session.query("SHOW server_version")
    return {
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      cores: availableParallelism(),
      node: process.versions.node,
      postgres: String(row?.server_version),
      syncMillis: syncMillis(ground.home),
      loadBefore
    }
  } finally {
    await session.close()
  }
}

export const loadNow = (): number => loadavg()[0] ?? Number.NaN

/** Writes a page of PostgreSQL's log's size and waits for the disk, 50 times. */
const syncMillis = (directory: string): number => {
  const path = join(directory, "sync-probe")
  const file = openSync(path, "w")
  try {
    const page = Buffer.alloc(8192)
    return median(
      Array.from({ length: 50 }, () => {
        const begin = performance.now()
        writeSync(file, page, 0, page.length, 0)
        fdatasyncSync(file)
        return performance.now() - begin
      })
    )
  } finally {
    closeSync(file)
    rmSync(path)
  }
}

export const renderMachine = (it: Machine): string =>
  `${it.cpu}, ${it.cores} cores, Node ${it.node}, PostgreSQL ${it.postgres} (fsync and synchronous_commit on; ` +
  `a sync takes ${it.syncMillis.toFixed(2)} ms), load average before: ${it.loadBefore.toFixed(2)}`
