import { execFileSync } from "node:child_process"
import { availableParallelism } from "node:os"

/** Lets processes, with all their threads and what they start from now on, run on these cores only. */
export const pin = (pids: ReadonlyArray<number>, cores: string): void => {
  // `taskset` is in util-linux, which no Linux goes without; Node has no call for this.
  for (const pid of pids) execFileSync("taskset", ["-acp", cores, `${pid}`], { stdio: "ignore" })
}

/** Takes that back. */
export const unpin = (pids: ReadonlyArray<number>): void => pin(pids, `0-${availableParallelism() - 1}`)
