// A process that makes load: takes jobs from the process that started it, and ends with it.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Job, type JobReport } from "./Job.ts"
import { makeWork, type Work } from "./Work.ts"

const decodeJob = Schema.decodeUnknownSync(Job)

/** Instants like those of a job, but finer and never set back. */
const now = () => performance.timeOrigin + performance.now()

const run = Effect.fnUntraced(function* (job: Job) {
  const latencies: Array<number> = []
  const failures: Array<string> = []
  const caller = Effect.fnUntraced(function* (work: Work) {
    // A failed piece of work fails the whole measurement; to go on would only say the same more often.
    while (now() < job.until && failures.length === 0) {
      const begin = now()
      const failure = yield* Effect.matchCause(work, { onFailure: Cause.pretty, onSuccess: () => undefined })
      const end = now()
      if (failure !== undefined) failures.push(failure)
      // Counted where it ends: what was under way at the beginning stands for what is under way at the end.
      else if (end >= job.from && end <= job.until) latencies.push(end - begin)
    }
  })
  const makeCaller = yield* makeWork(job)
  const works = yield* Effect.forEach(Array.from({ length: job.callers }), () => makeCaller, { concurrency: 4 })
  yield* Effect.forEach(works, caller, { concurrency: "unbounded", discard: true })
  const [firstFailure] = failures
  const report: JobReport = {
    latencies,
    failures: failures.length,
    ...(firstFailure === undefined ? {} : { firstFailure })
  }
  return report
}, Effect.scoped)

process.on("message", (message) => {
  Effect.runPromise(run(decodeJob(message))).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ latencies: [], failures: 1, firstFailure: String(error) } satisfies JobReport)
  )
})
process.on("disconnect", () => process.exit())
// An interrupt from the terminal is for the process that started us: it ends us when all is in order.
process.on("SIGINT", () => undefined)
process.send?.("ready")
