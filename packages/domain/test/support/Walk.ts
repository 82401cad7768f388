import type { Command } from "@credit/domain/decide/Batch"
import type { ConsumptionOrder } from "@credit/domain/Merchant"
import { type ReversalStatus, reversalStatus } from "@credit/domain/Reversal"
import { DAY, HOUR, MINUTE, timestampText } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import type { Answer } from "./Answers.ts"
import {
  type CommandOptions,
  cancel,
  chargeback,
  close,
  creditAdjustment,
  debitAdjustment,
  extend,
  grant,
  open,
  promo,
  purchase,
  refund,
  resolve,
  type SaleOptions,
  welcome
} from "./Commands.ts"
import { Ledger } from "./Ledger.ts"

/**
 * A random life of a merchant with a few users, as plain data that fast-check can print and shrink. What a step means is
 * resolved when it is played: an operation is named by its place among those opened so far.
 */
export interface Walk {
  readonly order: ConsumptionOrder
  readonly lateCloseHours: number
  readonly steps: ReadonlyArray<Step>
}

export type Step =
  | { readonly kind: "batch"; readonly drafts: ReadonlyArray<Draft> }
  | { readonly kind: "wait"; readonly milliseconds: number }
  /** To the next instant at which a lot or an operation is due, or so many milliseconds beside it. */
  | { readonly kind: "waitForDue"; readonly beside: number }
  | { readonly kind: "clockBack"; readonly milliseconds: number }
  | { readonly kind: "rate"; readonly operationTypeCode: string; readonly rate: string }

export type Draft = { readonly user: string; readonly dryRun: boolean; readonly reuse: number | null } & (
  | { readonly kind: "grant"; readonly credits: number; readonly days: number }
  | { readonly kind: "welcome" }
  | { readonly kind: "promo" }
  | { readonly kind: "purchase"; readonly reference: number; readonly armenia: boolean }
  | {
      readonly kind: "open"
      readonly type: string
      readonly estimate: number | null
      readonly minutes: number
      readonly workflow: boolean
    }
  | { readonly kind: "close"; readonly pick: number; readonly hundredths: number }
  | { readonly kind: "cancel"; readonly pick: number }
  | { readonly kind: "extend"; readonly pick: number; readonly minutes: number }
  | { readonly kind: "credit"; readonly credits: number; readonly days: number }
  | { readonly kind: "debit"; readonly credits: number }
  /** Of purchases that are named by their place among those settled so far. */
  | { readonly kind: "refund"; readonly pick: number }
  | { readonly kind: "chargeback"; readonly pick: number }
  | { readonly kind: "resolve"; readonly pick: number; readonly won: boolean }
  /** The very same command as one sent before. */
  | { readonly kind: "resend"; readonly pick: number }
)

export const users = ["ada", "bob", "eve"]
const types = ["call", "tokens", "minutes", "free"]
const someone = fc.constantFrom("ada", "ada", "ada", "ada", "bob", "bob", "eve")
const pick = fc.oneof(fc.nat({ max: 2 }), fc.nat({ max: 1000 }))
/** Most outlive a lot; the last is a minute beyond the merchant's maximum. */
const minutes = fc.oneof(
  fc.constantFrom(1, 60, 24 * 60, 2 * 24 * 60, 3 * 24 * 60, 7 * 24 * 60, 7 * 24 * 60 + 1),
  fc.integer({ min: 1, max: 7 * 24 * 60 })
)

const draft: fc.Arbitrary<Draft> = fc
  .tuple(
    fc.record({
      user: someone,
      dryRun: fc.nat({ max: 19 }).map((n) => n === 0),
      reuse: fc.oneof({ weight: 19, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: pick })
    }),
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("grant" as const),
          credits: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 300 })),
          days: fc.integer({ min: 1, max: 3 })
        })
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("welcome" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("promo" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("purchase" as const),
          reference: fc.nat({ max: 20 }),
          armenia: fc.boolean()
        })
      },
      {
        weight: 7,
        arbitrary: fc.record({
          kind: fc.constant("open" as const),
          type: fc.constantFrom(...types),
          estimate: fc.option(fc.integer({ min: 0, max: 80 })),
          minutes,
          workflow: fc.boolean()
        })
      },
      {
        weight: 5,
        arbitrary: fc.record({ kind: fc.constant("close" as const), pick, hundredths: fc.nat({ max: 20_000 }) })
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), pick }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("extend" as const), pick, minutes }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("credit" as const),
          credits: fc.integer({ min: 1, max: 60 }),
          days: fc.integer({ min: 1, max: 3 })
        })
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("debit" as const), credits: fc.integer({ min: 1, max: 150 }) })
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("refund" as const), pick }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("chargeback" as const), pick }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("resolve" as const), pick, won: fc.nat({ max: 3 }).map((n) => n > 0) })
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("resend" as const), pick }) }
    )
  )
  .map(([common, specific]) => ({ ...common, ...specific }))

const forwardStep = (batch: number): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("batch" as const),
        drafts: fc.array(draft, { minLength: 1, maxLength: batch })
      })
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("wait" as const),
        milliseconds: fc.oneof(
          fc.constantFrom(1, MINUTE, HOUR, 6 * HOUR, 12 * HOUR, DAY, 4 * DAY),
          fc.integer({ min: 1, max: DAY })
        )
      })
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("waitForDue" as const), beside: fc.constantFrom(-1, 0, 1) })
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("rate" as const),
        operationTypeCode: fc.constantFrom("call", "tokens", "minutes"),
        rate: fc.constantFrom("0", "0.000001", "0.57", "1", "1.11", "3.5")
      })
    }
  )

const back = {
  weight: 1,
  arbitrary: fc.record({ kind: fc.constant("clockBack" as const), milliseconds: fc.integer({ min: 1, max: DAY }) })
}

/**
 * Random lives. `clock: "any"` lets the database's clock go back at times, as a failover may; batches have up to
 * `batch` commands, 8 unless given.
 */
export const walk = (options: { readonly clock: "forward" | "any"; readonly batch?: number }): fc.Arbitrary<Walk> => {
  const forward = forwardStep(options.batch ?? 8)
  const step = options.clock === "forward" ? forward : fc.oneof({ weight: 14, arbitrary: forward }, back)
  return fc.record({
    order: fc.constantFrom<ConsumptionOrder>("oldest_first", "expiring_first"),
    lateCloseHours: fc.constantFrom(0, 1, 24, 72),
    steps: fc.array(step, { maxLength: 24, size: "max" })
  })
}

export const ledgerFor = ({ lateCloseHours, order }: Walk): Ledger =>
  new Ledger({ consumptionOrder: order, lateCloseHours })

/** What a batch's drafts mean at this point of the ledger's life. `sent` are the commands before, and grows. */
export const commandsOf = (
  ledger: Ledger,
  drafts: ReadonlyArray<Draft>,
  sent: Array<Command>
): ReadonlyArray<Command> => {
  const commands = drafts.flatMap((it) => {
    const made = commandOf(ledger, it, sent)
    return made === undefined ? [] : [made]
  })
  sent.push(...commands)
  return commands
}

const commandOf = (ledger: Ledger, it: Draft, sent: ReadonlyArray<Command>): Command | undefined => {
  const reused = it.reuse === null ? undefined : sent[it.reuse % Math.max(1, sent.length)]
  const options: CommandOptions = { dryRun: it.dryRun, ...(reused === undefined ? {} : { key: reused.key }) }
  switch (it.kind) {
    case "grant":
      return grant(it.user, it.credits, it.days, options)
    case "welcome":
      return welcome(it.user, options)
    case "promo":
      return promo(it.user, "launch", options)
    case "purchase": {
      const sale: SaleOptions = it.armenia ? { country: "AM", currency: "AMD", amount: "29900.00" } : {}
      return purchase(it.user, `payment-${it.reference}`, { ...options, ...sale })
    }
    case "open":
      return open(it.user, {
        ...options,
        operationTypeCode: it.type,
        timeoutMinutes: it.minutes,
        ...(it.estimate === null ? {} : { estimatedAmount: `${it.estimate}` }),
        ...(it.workflow ? { workflowId: "flow" } : {})
      })
    case "close": {
      const resourceAmount = `${Math.trunc(it.hundredths / 100)}.${`${it.hundredths % 100}`.padStart(2, "0")}`
      return close(operationAt(ledger, it.pick), resourceAmount, { ...options, completedAt: timestampText(ledger.now) })
    }
    case "cancel":
      return cancel(operationAt(ledger, it.pick), options)
    case "extend":
      return extend(operationAt(ledger, it.pick), it.minutes, options)
    case "credit":
      return creditAdjustment(it.user, it.credits, it.days, options)
    case "debit":
      return debitAdjustment(it.user, it.credits, options)
    case "refund":
      return refund(purchaseAt(ledger, it.pick, "won"), options)
    case "chargeback":
      return chargeback(purchaseAt(ledger, it.pick, "won"), options)
    case "resolve":
      return resolve(purchaseAt(ledger, it.pick, "charged_back"), it.won ? "won" : "lost", options)
    case "resend":
      return sent[it.pick % Math.max(1, sent.length)]
  }
}

const NOBODYS = "00000000-0000-7000-8000-ffffffffffff"

/** Rather a recent one: those are the ones still open. */
const operationAt = (ledger: Ledger, index: number): string => {
  const ids = [...ledger.operations.keys()]
  return ids[ids.length - 1 - (index % Math.min(8, Math.max(1, ids.length)))] ?? NOBODYS
}

/** Mostly one that stands so, where there is any, for few of all do; else rather a recent one, settled in this very batch. */
const purchaseAt = (ledger: Ledger, index: number, standing: ReversalStatus): string => {
  const all = [...ledger.purchases.keys()]
  const fitting = all.filter((reference) => {
    const latest = ledger.reversals.get(reference)?.at(-1)
    return latest !== undefined && reversalStatus(latest) === standing
  })
  const from = fitting.length > 0 && index % 3 > 0 ? fitting : all
  return from[from.length - 1 - (index % Math.min(4, Math.max(1, from.length)))] ?? "payment-0"
}

/** Moves clock or catalog as the step says; a batch is not run. */
export const moveOn = (ledger: Ledger, step: Exclude<Step, { readonly kind: "batch" }>): void => {
  if (step.kind === "wait") ledger.advance(step.milliseconds)
  else if (step.kind === "waitForDue") ledger.advance(Math.max(0, nextDue(ledger) + step.beside - ledger.now))
  else if (step.kind === "clockBack") ledger.advance(-step.milliseconds)
  else ledger.setRate(step.operationTypeCode, step.rate)
}

const nextDue = (ledger: Ledger): number => {
  const lots = [...ledger.lots.values()].filter((lot) => lot.remaining > 0)
  const operations = [...ledger.operations.values()].filter((it) => it.status === "open")
  const instants = [...lots, ...operations].map((it) => it.expiresAt).filter((instant) => instant > ledger.now)
  return instants.length === 0 ? ledger.now : Math.min(...instants)
}

/** What happened in one batch. */
export interface Played {
  readonly ledger: Ledger
  readonly commands: ReadonlyArray<Command>
  readonly answers: ReadonlyArray<Answer>
  readonly facts: ReturnType<Ledger["run"]>["facts"]
}

/** Lives a walk to its end; `after` sees each batch once it is stored. */
export const play = (life: Walk, after: (played: Played) => void = () => {}): Ledger => {
  const ledger = ledgerFor(life)
  const sent: Array<Command> = []
  for (const step of life.steps) {
    if (step.kind !== "batch") {
      moveOn(ledger, step)
      continue
    }
    const commands = commandsOf(ledger, step.drafts, sent)
    after({ ledger, commands, ...ledger.run(commands) })
  }
  return ledger
}

/** Makes everything due now booked, by a command that is refused: its account's releases and expiries alone. */
export const bookDue = (ledger: Ledger): void => {
  ledger.run([...ledger.accounts.keys()].map((user) => open(user, { operationTypeCode: "no-such-type" })))
}
