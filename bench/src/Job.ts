import * as Schema from "effect/Schema"

/** What one load process is told to do, between two instants of the machine's clock. */
export const Job = Schema.Struct({
  kind: Schema.Literals(["pairs", "reads", "purchases", "floor", "echo"]),
  /** Loops that each wait for one answer before they go on. */
  callers: Schema.Number,
  coalesce: Schema.Boolean,
  /** Whose work it is: each time one of `users` at random, or always the same one. */
  oneUser: Schema.Boolean,
  users: Schema.Number,
  /** What ends before it (milliseconds since 1970) is warm-up. */
  from: Schema.Number,
  /** What ends after it is not counted, and nothing new begins. */
  until: Schema.Number,
  /** Where the service, or the echo, listens. */
  url: Schema.String,
  token: Schema.String,
  /** The database, for what goes there without the service. */
  databaseUrl: Schema.String
})
export type Job = typeof Job.Type

/** What it saw: milliseconds of each piece of work that ended in the time measured, and what failed. */
export const JobReport = Schema.Struct({
  latencies: Schema.Array(Schema.Number),
  failures: Schema.Number,
  firstFailure: Schema.optionalKey(Schema.String)
})
export type JobReport = typeof JobReport.Type
