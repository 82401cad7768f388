import { hash } from "node:crypto"
import type { TraceRequest } from "./Trace.ts"

/** What a user buys: products of the sample catalog. */
export interface Pack {
  readonly productCode: "starter" | "pro"
  readonly credits: number
  readonly amount: string
}

export const PACKS = {
  starter: { productCode: "starter", credits: 100, amount: "9.99" },
  pro: { productCode: "pro", credits: 1000, amount: "79" }
} as const satisfies Record<string, Pack>

/** A pack is bought, because the next request would not be covered without. */
export interface PurchaseStep {
  readonly kind: "purchase"
  readonly pack: Pack
  /** Payment reference and idempotency key. */
  readonly externalRef: string
  readonly key: string
  /** When it was ordered and settled: epoch milliseconds. */
  readonly at: number
}

/** A request of the trace as an operation: an estimate of what it will use, then what it used. */
export interface RequestStep {
  readonly kind: "request"
  readonly row: number
  readonly openKey: string
  readonly closeKey: string
  /** Thousands of tokens, as decimals: the context alone, then everything. */
  readonly estimatedAmount: string
  readonly resourceAmount: string
  /** Credits that the estimate holds, and that the request costs. */
  readonly held: number
  readonly cost: number
  /** When it was completed: epoch milliseconds. */
  readonly at: number
}

export type Step = PurchaseStep | RequestStep

/** One user's steps, in the order in which they must be taken. */
export interface UserPlan {
  readonly userId: string
  readonly steps: ReadonlyArray<Step>
  /** Credits bought and spent in all. */
  readonly bought: number
  readonly spent: number
}

export interface Plan {
  /** Tells this plan from every other: SHA-256 over all steps, in hex. */
  readonly digest: string
  readonly seed: number
  readonly users: ReadonlyArray<UserPlan>
  readonly requests: number
  readonly purchases: ReadonlyArray<{ readonly pack: Pack; readonly count: number }>
  readonly bought: number
  readonly spent: number
}

export interface PlanOptions {
  /** Over how many users the requests are spread. */
  readonly users: number
  /** Another seed, another spread, and other users. */
  readonly seed: number
}

/** The rate of `llm_tokens` in the sample catalog: 0.57 credits per thousand tokens, in hundredths. */
const RATE_HUNDREDTHS = 57n

/**
 * The credits that so many tokens cost: max(1, ⌈tokens ÷ 1000 × 0.57⌉). Computed from the whole numbers, independently of
 * the service's own arithmetic, which it checks.
 */
export const costOf = (tokens: number): number => {
  const scaled = BigInt(tokens) * RATE_HUNDREDTHS
  const credits = (scaled + 99_999n) / 100_000n
  return credits < 1n ? 1 : Number(credits)
}

/** Tokens in thousands, as a decimal without needless zeros: 4818 is `"4.818"`, 3000 is `"3"`. */
export const thousands = (tokens: number): string => {
  const digits = `${tokens}`.padStart(4, "0")
  const fraction = digits.slice(-3).replace(/0+$/, "")
  return `${digits.slice(0, -3)}${fraction === "" ? "" : `.${fraction}`}`
}

/** The id of a user; it names the seed, so that the users of another seed are others. */
export const userIdOf = (seed: number, user: number): string => `replay-${seed}-u${`${user}`.padStart(3, "0")}`

/**
 * Who sends which request of a trace, and who buys what before it. A pure function of its arguments: the same trace, users
 * and seed give the same plan, keys and references included, so that a plan can be run again from the start and changes
 * nothing twice.
 *
 * A user starts with nothing and buys until the credits cover a request in full, what it holds and what it costs, so that
 * nobody ever owes anything.
 */
export const plan = (trace: ReadonlyArray<TraceRequest>, options: PlanOptions): Plan => {
  const random = randomOf(options.seed)
  const drafts = new Map<number, Draft>()
  for (const request of trace) {
    const user = Math.floor(random() * options.users)
    const draft = drafts.get(user) ?? { steps: [], bought: 0, spent: 0 }
    drafts.set(user, draft)
    const step = requestStep(request, options.seed)
    for (let count = 1; draft.bought - draft.spent < Math.max(step.held, step.cost); count++) {
      const pack = random() < 0.2 ? PACKS.pro : PACKS.starter
      const name = `replay-${options.seed}-${request.row}-pay-${count}`
      draft.steps.push({ kind: "purchase", pack, externalRef: name, key: name, at: request.at })
      draft.bought += pack.credits
    }
    draft.steps.push(step)
    draft.spent += step.cost
  }
  return summed(
    options.seed,
    [...drafts].sort(([a], [b]) => a - b).map(([user, draft]) => ({ userId: userIdOf(options.seed, user), ...draft })),
    trace.length
  )
}

interface Draft {
  readonly steps: Array<Step>
  bought: number
  spent: number
}

const requestStep = ({ at, contextTokens, generatedTokens, row }: TraceRequest, seed: number): RequestStep => ({
  kind: "request",
  row,
  openKey: `replay-${seed}-${row}-open`,
  closeKey: `replay-${seed}-${row}-close`,
  estimatedAmount: thousands(contextTokens),
  resourceAmount: thousands(contextTokens + generatedTokens),
  held: costOf(contextTokens),
  cost: costOf(contextTokens + generatedTokens),
  at
})

const summed = (seed: number, users: ReadonlyArray<UserPlan>, requests: number): Plan => {
  const packs = users.flatMap(({ steps }) => steps.flatMap((step) => (step.kind === "purchase" ? [step.pack] : [])))
  return {
    digest: hash("sha256", JSON.stringify(users)),
    seed,
    users,
    requests,
    purchases: Object.values(PACKS).map((pack) => ({ pack, count: packs.filter((bought) => bought === pack).length })),
    bought: users.reduce((sum, user) => sum + user.bought, 0),
    spent: users.reduce((sum, user) => sum + user.spent, 0)
  }
}

/** Uniform numbers in [0, 1), always the same ones for a seed (mulberry32). */
const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
