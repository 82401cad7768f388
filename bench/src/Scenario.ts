import type { Job } from "./Job.ts"

/** One row of the table. */
export interface Scenario {
  readonly name: string
  readonly kind: Job["kind"]
  readonly callers: number
  readonly coalesce: boolean
  readonly oneUser: boolean
}

const scenario = (
  name: string,
  kind: Job["kind"],
  callers: number,
  options: { readonly coalesce?: boolean; readonly oneUser?: boolean } = {}
): Scenario => ({ name, kind, callers, coalesce: false, oneUser: false, ...options })

/**
 * In the order in which a round runs them. A pair is Operation.Open with an estimate, then RecordAndClose. `floor` does the
 * writes of a pair in SQL functions, a transaction each and without HTTP; `echo` is the HTTP and RPC stack with nothing behind it.
 */
export const scenarios: ReadonlyArray<Scenario> = [
  ...[1, 16, 64, 256].map((callers) => scenario("pairs", "pairs", callers)),
  scenario("pairs-coalesced", "pairs", 64, { coalesce: true }),
  scenario("one-user", "pairs", 64, { oneUser: true }),
  scenario("floor", "floor", 16),
  scenario("purchases", "purchases", 16),
  scenario("reads", "reads", 64),
  scenario("echo", "echo", 64)
]
