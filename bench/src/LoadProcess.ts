import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import { type Job, JobReport } from "./Job.ts"

const entry = fileURLToPath(new URL("load.ts", import.meta.url))

const decodeReport = Schema.decodeUnknownSync(JobReport)

/** A process that makes load, one job after the other. */
export interface LoadProcess {
  readonly pid: number
  run(job: Job): Promise<JobReport>
  end(): Promise<void>
}

export const startLoadProcess = async (): Promise<LoadProcess> => {
  const child = fork(entry, { execArgv: ["--conditions=source"] })
  const exited = once(child, "exit")
  const ended = exited.then(() => Promise.reject(new Error("A load process ended before its work was done")))
  // Looked at only while something is expected of the process.
  ended.catch(() => undefined)
  const message = (): Promise<unknown> => Promise.race([once(child, "message").then(([value]) => value), ended])
  await message()
  const { pid } = child
  if (pid === undefined) throw new Error("A load process did not start")
  return {
    pid,
    run: async (job) => {
      child.send(job)
      return decodeReport(await message())
    },
    end: async () => {
      if (child.connected) child.disconnect()
      await exited
    }
  }
}
