// A process that makes load: takes jobs from the process that started it, and ends with it.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { now } from "./Instant.ts"
import { commandsOf, Job, type JobReport } from "./Job.ts"
import { makeWork, type Work } from "./Work.ts"

const decodeJob = Schema.decodeUnknownSync(Job)

/** Collects what was seen. */
class Seen {
  readonly latencies: Array<number> = []
  readonly commands: ReadonlyArray<Array<number>>
  readonly failures: Array<string> = []

  constructor(kind: Job["kind"]) {
    this.commands = commandsOf(kind).map(() => [])
  }

  add(latency: number, commands: ReadonlyArray<number>): void {
    this.latencies.push(latency)
    for (const [index, column] of this.commands.entries()) column.push(commands[index] ?? Number.NaN)
  }

  get report(): JobReport {
    const { commands, failures, latencies } = this
    const [firstFailure] = failures
    return { latencies, commands, failures: failures.length, ...(firstFailure === undefined ? {} : { firstFailure }) }
  }
}

/** Does one piece of work that was meant to begin at an instant, and keeps what it took if it counts. */
const once = (work: Work, meant: number, seen: Seen, counts: (end: number) => boolean): Effect.Effect<void> =>
  Effect.matchCause(work(meant), {
    onFailure: (cause) => {
      seen.failures.push(Cause.pretty(cause))
    },
    onSuccess: (commands) => {
      const end = now()
      if (counts(end)) seen.add(end - meant, commands)
    }
  })

/** Callers who each wait for their answer: as much work is done as the service does. */
const closedLoop = Effect.fnUntraced(function* (job: Job, works: ReadonlyArray<Work>, seen: Seen) {
  // Counted where it ends: what was under way at the beginning stands for what is under way at the end.
  const counts = (end: number) => end >= job.from && end <= job.until
  const caller = Effect.fnUntraced(function* (work: Work) {
    do yield* once(work, now(), seen, counts)
    while (
      // A failed piece of work fails the whole measurement; to go on would only say the same more often.
      now() < job.until &&
      seen.failures.length === 0
    )
  })
  yield* Effect.forEach(works, caller, { concurrency: "unbounded", discard: true })
})

/**
 * Work that comes when it comes: at instants of a Poisson process, whatever became of what came before. One that begins late,
 * because this process or the service was busy, was still meant to begin then: its latency counts from there.
 */
const openLoop = Effect.fnUntraced(function* (job: Job, rate: number, works: ReadonlyArray<Work>, seen: Seen) {
  const under: Array<Fiber.Fiber<void>> = []
  let meant = now()
  for (let turn = 0; ; turn++) {
    meant += (-Math.log(1 - Math.random()) * 1000) / rate
    if (meant >= job.until) break
    const ahead = meant - now()
    if (ahead > 0) yield* Effect.sleep(ahead)
    const work = works[turn % works.length]
    const counts = meant >= job.from
    if (work !== undefined) under.push(yield* Effect.forkChild(once(work, meant, seen, () => counts)))
  }
  yield* Fiber.joinAll(under)
})

const run = Effect.fnUntraced(function* (job: Job) {
  const seen = new Seen(job.kind)
  const makeCaller = yield* makeWork(job)
  const works = yield* Effect.forEach(Array.from({ length: job.callers }), () => makeCaller, { concurrency: 4 })
  yield* job.rate === undefined ? closedLoop(job, works, seen) : openLoop(job, job.rate, works, seen)
  return seen.report
}, Effect.scoped)

process.on("message", (message) => {
  Effect.runPromise(run(decodeJob(message))).then(
    (report) => process.send?.(report),
    (error: unknown) =>
      process.send?.({ latencies: [], commands: [], failures: 1, firstFailure: String(error) } satisfies JobReport)
  )
})
process.on("disconnect", () => process.exit())
// An interrupt from the terminal is for the process that started us: it ends us when all is in order.
process.on("SIGINT", () => undefined)
process.send?.("ready")
