import { CreditClient } from "@credit/client"
import { UserId } from "@credit/domain/Ids"
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Plan, PurchaseStep, RequestStep, Step, UserPlan } from "./Plan.ts"

/** What became of a plan so far. */
export interface Run {
  requests: number
  purchases: number
  /** Answers of commands, and how many of them were stored answers of an earlier run. */
  answers: number
  replayed: number
  /** Milliseconds that each answer took, by command. */
  readonly latencies: { readonly purchase: Array<number>; readonly open: Array<number>; readonly close: Array<number> }
  /** Steps that were refused, or whose cost is not the planned one, each in one line. */
  readonly problems: Array<string>
  /** Why no more work was begun, if the plan was not gone through. */
  stopped: "interrupted" | "other plan" | { readonly reason: string } | undefined
  seconds: number
}

export interface RunOptions {
  readonly concurrency: number
  /** Whether to begin no more work. */
  readonly interrupted: () => boolean
  /** Is told after each request. */
  readonly onRequest: (run: Run) => void
}

/** A user with the step to take next. */
interface Cursor {
  readonly user: UserPlan
  next: number
}

/** Errors that the next step would meet as well. */
const HOPELESS = new Set(["CreditClientError", "Unauthorized", "Forbidden", "MerchantUnknown", "MaintenanceMode"])

/**
 * Goes through a plan: up to `concurrency` users at a time, each user's steps one after the other, the users in turns, so
 * that requests are made about in the order of the trace. What is begun is brought to its end.
 */
export const run = Effect.fn("replay.run")(function* (plan: Plan, options: RunOptions) {
  const client = yield* CreditClient
  const result: Run = {
    requests: 0,
    purchases: 0,
    answers: 0,
    replayed: 0,
    latencies: { purchase: [], open: [], close: [] },
    problems: [],
    stopped: undefined,
    seconds: 0
  }
  result.stopped = yield* claimSeed(client, plan)
  const started = performance.now()
  const ready: Array<Cursor> = plan.users.map((user) => ({ user, next: 0 }))

  const take = (user: UserPlan, step: Step): Effect.Effect<void, StepError> =>
    step.kind === "purchase" ? purchase(client, result, user, step) : request(client, result, user, step)

  const worker = Effect.gen(function* () {
    while (result.stopped === undefined) {
      const cursor = ready.shift()
      const step = cursor?.user.steps[cursor.next]
      // The users that are left are in the hands of other workers, who put them back for themselves.
      if (cursor === undefined || step === undefined) return
      if (options.interrupted()) {
        result.stopped = "interrupted"
        return
      }
      const outcome = yield* Effect.result(take(cursor.user, step))
      if (outcome._tag === "Failure") {
        refused(result, cursor.user, step, outcome.failure)
        continue
      }
      if (step.kind === "request") options.onRequest(result)
      cursor.next += 1
      if (cursor.next < cursor.user.steps.length) ready.push(cursor)
    }
  })
  yield* Effect.all(
    Array.from({ length: Math.min(options.concurrency, ready.length) }, () => worker),
    { concurrency: "unbounded", discard: true }
  )
  result.seconds = (performance.now() - started) / 1000
  return result
})

type Client = CreditClient["Service"]

/**
 * Makes sure that the seed belongs to this plan, before anything is bought. The command is refused either way (nobody has
 * credits under that name), but the service remembers what its key was used for: another plan is a conflict.
 */
const claimSeed = (client: Client, plan: Plan): Effect.Effect<Run["stopped"]> =>
  client.operation
    .open(
      {
        userId: UserId.make(`replay-${plan.seed}-plan`),
        operationTypeCode: "llm_tokens",
        workflowId: plan.digest,
        estimatedAmount: BigDecimal.fromBigInt(1n)
      },
      { idempotencyKey: `replay-${plan.seed}-plan` }
    )
    .pipe(
      Effect.match({
        onSuccess: () => undefined,
        onFailure: (error) =>
          error._tag === "IntentConflict"
            ? "other plan"
            : HOPELESS.has(error._tag)
              ? { reason: wordsOf(error) }
              : undefined
      })
    )

type StepError =
  | Effect.Error<ReturnType<Client["purchase"]["settled"]>>
  | Effect.Error<ReturnType<Client["operation"]["open"]>>
  | Effect.Error<ReturnType<Client["operation"]["recordAndClose"]>>

const purchase = (client: Client, run: Run, { userId }: UserPlan, { at, externalRef, key, pack }: PurchaseStep) => {
  const when = DateTime.makeUnsafe(at)
  const command = client.purchase.settled(
    {
      userId: UserId.make(userId),
      productCode: pack.productCode,
      settlementData: {
        externalRef,
        orderPlacedAt: when,
        settledAt: when,
        paymentMethod: "card",
        pricingSnapshot: { country: "US", currency: "USD", amount: BigDecimal.fromStringUnsafe(pack.amount) }
      }
    },
    { idempotencyKey: key }
  )
  return Effect.map(timed(run, "purchase", command), () => {
    run.purchases += 1
  })
}

const request = (client: Client, run: Run, { userId }: UserPlan, step: RequestStep) =>
  Effect.gen(function* () {
    const { operation } = yield* timed(
      run,
      "open",
      client.operation.open(
        {
          userId: UserId.make(userId),
          operationTypeCode: "llm_tokens",
          estimatedAmount: BigDecimal.fromStringUnsafe(step.estimatedAmount)
        },
        { idempotencyKey: step.openKey }
      )
    )
    const closed = yield* timed(
      run,
      "close",
      client.operation.recordAndClose(
        {
          operationId: operation.operationId,
          resourceAmount: BigDecimal.fromStringUnsafe(step.resourceAmount),
          completedAt: DateTime.makeUnsafe(step.at)
        },
        { idempotencyKey: step.closeKey }
      )
    )
    run.requests += 1
    const cost = closed.operation.finalCost
    if (operation.held !== step.held || cost !== step.cost) {
      run.problems.push(
        `${userId}, request ${step.row}: held ${operation.held} and cost ${cost}, not ${step.held} and ${step.cost}`
      )
    }
  })

const timed = <A extends { readonly meta: { readonly replayed: boolean } }, E>(
  run: Run,
  command: keyof Run["latencies"],
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const started = performance.now()
    return Effect.map(effect, (answer) => {
      run.latencies[command].push(performance.now() - started)
      run.answers += 1
      if (answer.meta.replayed) run.replayed += 1
      return answer
    })
  })

/** The user's later steps are not taken: they stand on this one. */
const refused = (run: Run, { userId }: UserPlan, step: Step, error: StepError): void => {
  const what = step.kind === "purchase" ? `purchase ${step.externalRef}` : `request ${step.row}`
  if (HOPELESS.has(error._tag)) run.stopped = { reason: wordsOf(error) }
  else run.problems.push(`${userId}, ${what}: ${wordsOf(error)}`)
}

const wordsOf = (error: StepError): string =>
  error._tag === "CreditClientError" ? error.message : `${error._tag}: ${error.message}`
