import * as Schema from "effect/Schema"

/** What one load process is told to do, between two instants of the machine's clock. */
export const Job = Schema.Struct({
  kind: Schema.Literals(["pairs", "balance", "history", "purchases", "floor", "echo"]),
  /** Loops that each wait for one answer before they go on; those who work are as many connections at most. */
  callers: Schema.Number,
  /**
   * Pieces of work to begin in a second, at random instants, whether or not earlier ones have been answered; then there are
   * no loops, and latencies count from the instant that was meant.
   */
  rate: Schema.optionalKey(Schema.Number),
  coalesce: Schema.Boolean,
  /** Whose work it is: each time one of `users` at random, or always the first. */
  oneUser: Schema.Boolean,
  users: Schema.Number,
  /** What ends before it (milliseconds since 1970) is warm-up. */
  from: Schema.Number,
  /** What ends after it is not counted, and no second piece of a caller's work begins. With a rate, what was meant to begin
   * before it counts. */
  until: Schema.Number,
  /** Where the service, or the echo, listens; several servers share the callers. */
  urls: Schema.NonEmptyArray(Schema.String),
  /** The app's token of each merchant; a piece of work is for one of them at random. */
  tokens: Schema.NonEmptyArray(Schema.String),
  /** The database, for what goes there without the service. */
  databaseUrl: Schema.String
})
export type Job = typeof Job.Type

/** The commands of which a piece of work consists, where it is more than one. */
export const commandsOf = (kind: Job["kind"]): ReadonlyArray<string> =>
  kind === "pairs" || kind === "floor" ? ["Open", "RecordAndClose"] : []

/** What it saw: milliseconds of each piece of work that counts, and of each of its commands, and what failed. */
export const JobReport = Schema.Struct({
  latencies: Schema.Array(Schema.Number),
  commands: Schema.Array(Schema.Array(Schema.Number)),
  failures: Schema.Number,
  firstFailure: Schema.optionalKey(Schema.String)
})
export type JobReport = typeof JobReport.Type
