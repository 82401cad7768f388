import { CreditClient } from "@credit/client"
import { UserId } from "@credit/domain/Ids"
import * as Effect from "effect/Effect"
import type { Plan, UserPlan } from "./Plan.ts"
import { number } from "./Progress.ts"
import type { Run } from "./Run.ts"

/** What the service says about one user, or about all of them together. */
export interface Standing {
  readonly bought: number
  readonly spent: number
  /** Σ of entries of other reasons: expiries, if the merchant's clock was moved meanwhile. */
  readonly other: number
  readonly balance: number
  readonly held: number
  readonly owed: number
}

export interface UserStanding extends Standing {
  readonly userId: string
}

/** Asks the service for each planned user's balance and ledger. */
export const ask = Effect.fn("replay.ask")(function* (plan: Plan, concurrency: number) {
  const client = yield* CreditClient
  return yield* Effect.forEach(
    plan.users,
    Effect.fnUntraced(function* (user) {
      const userId = UserId.make(user.userId)
      const sums = { purchase: 0, debit: 0, other: 0 }
      let cursor: string | undefined
      do {
        const page = yield* client.getLedgerHistory({ userId, limit: 500, ...(cursor === undefined ? {} : { cursor }) })
        for (const { amount, reason } of page.entries) {
          sums[reason === "purchase" || reason === "debit" ? reason : "other"] += amount
        }
        for (const { amount } of page.due) sums.other -= Math.abs(amount)
        cursor = page.nextCursor
      } while (cursor !== undefined)
      const { balance, debt, held } = yield* client.getUserBalance({ userId })
      const standing: UserStanding = {
        userId: user.userId,
        bought: sums.purchase,
        spent: -sums.debit,
        other: sums.other,
        balance,
        held,
        owed: debt
      }
      return standing
    }),
    { concurrency }
  )
})

/** All users together. */
export const total = (standings: ReadonlyArray<Standing>): Standing => {
  const sum = (field: keyof Standing) => standings.reduce((all, standing) => all + standing[field], 0)
  return {
    bought: sum("bought"),
    spent: sum("spent"),
    other: sum("other"),
    balance: sum("balance"),
    held: sum("held"),
    owed: sum("owed")
  }
}

/** What is not as planned, user by user, each in one line; nothing, if the service and the plan agree. */
export const differences = (plan: Plan, standings: ReadonlyArray<UserStanding>): ReadonlyArray<string> => {
  const byUser = new Map(standings.map((standing) => [standing.userId, standing]))
  return plan.users.flatMap((user) => {
    const standing = byUser.get(user.userId)
    return standing === undefined ? [`${user.userId}: the service was not asked`] : userDifferences(user, standing)
  })
}

const userDifferences = (user: UserPlan, standing: UserStanding): ReadonlyArray<string> => {
  const expected = {
    bought: user.bought,
    spent: user.spent,
    balance: standing.bought - standing.spent + standing.other,
    held: 0,
    owed: 0
  }
  const fields = ["bought", "spent", "balance", "held", "owed"] as const
  return fields
    .filter((field) => standing[field] !== expected[field])
    .map((field) => `${user.userId}: ${field} ${number(standing[field])} instead of ${number(expected[field])}`)
}

/** The value that `share` (0 to 1) of the sorted values do not exceed. */
export const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0

/** How the run went: throughput, replays, latencies. */
export const renderRun = (plan: Plan, run: Run): string => {
  const rate = run.seconds > 0 ? Math.round(run.requests / run.seconds) : 0
  const lines = [
    `${number(run.requests)} of ${number(plan.requests)} requests by ${number(plan.users.length)} users, ${number(run.purchases)} purchases, in ${run.seconds.toFixed(1)} s: ${number(rate)} requests/s`,
    `${number(run.replayed)} of ${number(run.answers)} answers were replays of an earlier run`,
    "",
    row("latency, ms", ["p50", "p90", "p99", "max"])
  ]
  for (const [command, latencies] of Object.entries(run.latencies)) {
    const sorted = latencies.toSorted((a, b) => a - b)
    lines.push(
      row(command, sorted.length === 0 ? [] : [0.5, 0.9, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1)))
    )
  }
  return lines.join("\n")
}

/** What was bought, spent, held and owed: the service's word beside the plan's. */
export const renderStanding = (plan: Plan, standings: ReadonlyArray<Standing>): string => {
  const service = total(standings)
  const packs = plan.purchases.map(({ count, pack }) => `${number(count)} ${pack.productCode}`).join(", ")
  const cents = plan.purchases.reduce((sum, { count, pack }) => sum + count * Math.round(Number(pack.amount) * 100), 0)
  return [
    row("credits", ["service", "plan"]),
    `${row("bought", [number(service.bought), number(plan.bought)])}   ${packs}: ${(cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2 })} USD`,
    row("spent", [number(service.spent), number(plan.spent)]),
    ...(service.other === 0 ? [] : [row("other entries", [number(service.other), ""])]),
    row("left", [number(service.balance), number(plan.bought - plan.spent + service.other)]),
    row("held", [number(service.held), "0"]),
    row("owed", [number(service.owed), "0"])
  ].join("\n")
}

const row = (name: string, cells: ReadonlyArray<string>): string =>
  `${name.padEnd(14)}${cells.map((cell) => cell.padStart(10)).join("")}`.trimEnd()
