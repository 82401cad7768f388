import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { UsageProblem } from "../Problem.ts"
import { maybe, parsedFlag } from "./Checked.ts"
import { instantFlag } from "./Common.ts"

/** A span of time, as a month or from and to. */
export interface PeriodFlags {
  readonly month: Period | undefined
  readonly from: string | undefined
  readonly to: string | undefined
}

/** `from` ≤ … < `to`. */
export interface Period {
  readonly from: string
  readonly to: string
}

/** `2026-01`: that month in UTC. */
export const readMonth = (given: string): Result.Result<Period, string> => {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(given) ?? []
  return year === undefined || month === undefined
    ? Result.fail("a month such as 2026-01")
    : Result.succeed({
        from: new Date(Date.UTC(Number(year), Number(month) - 1, 1)).toISOString(),
        to: new Date(Date.UTC(Number(year), Number(month), 1)).toISOString()
      })
}

export const periodFlags = {
  month: maybe(
    parsedFlag("month", readMonth).pipe(
      Flag.withMetavar("yyyy-mm"),
      Flag.withDescription("A month, UTC (default: the present one)")
    )
  ),
  from: maybe(instantFlag("from", "From then on, in place of a month")),
  to: maybe(instantFlag("to", "Before then (default: now)"))
} as const

/** The span that the flags mean; the present month unless they say otherwise. */
export const periodOf = ({ from, month, to }: PeriodFlags): Effect.Effect<Period, UsageProblem> => {
  const now = new Date()
  if (month !== undefined && (from !== undefined || to !== undefined)) {
    return Effect.fail(new UsageProblem({ message: "--month and --from or --to are both given: one of them" }))
  }
  if (from === undefined && to !== undefined) {
    return Effect.fail(new UsageProblem({ message: "--to needs --from" }))
  }
  if (from !== undefined) return Effect.succeed({ from, to: to ?? now.toISOString() })
  return Effect.succeed(month ?? Result.getOrThrow(readMonth(now.toISOString().slice(0, 7))))
}
