import type { JobRun, JobStatus } from "@credit/domain/Job"
import { type Block, fields } from "../output/Block.ts"
import type { Column } from "../output/Table.ts"
import { credits, duration, instant, maybeInstant } from "../output/Words.ts"

export type JobStatusJson = typeof JobStatus.Encoded
export type JobRunJson = typeof JobRun.Encoded

/** Whether a job is not as it must be: overdue, or its newest run went wrong. */
export const isAtFault = ({ failures, overdue }: JobStatusJson): boolean => overdue || failures > 0

export const jobColumns: ReadonlyArray<Column<JobStatusJson>> = [
  { title: "job", value: ({ name }) => name },
  { title: "schedule", value: ({ schedule }) => schedule },
  { title: "by", value: ({ runner }) => runner, shrink: true },
  {
    title: "succeeded",
    value: ({ ageSeconds }) => (ageSeconds === undefined ? "never" : `${duration(ageSeconds)} ago`)
  },
  { title: "state", value: (job) => stateOf(job) },
  { title: "error", value: ({ lastRun }) => lastRun?.error, shrink: true }
]

const stateOf = ({ failures, lastRun, overdue, running }: JobStatusJson): string => {
  if (running) return "running"
  if (overdue) return "OVERDUE"
  if (failures > 0) return `FAILED ${failures}×`
  return lastRun?.state ?? "not yet run"
}

export const runFields = (run: JobRunJson): Block =>
  fields({
    run: run.runId,
    state: run.state,
    "started by": run.startedBy,
    started: instant(run.startedAt),
    finished: maybeInstant(run.finishedAt),
    rows: credits(run.affectedRows),
    error: run.error
  })
