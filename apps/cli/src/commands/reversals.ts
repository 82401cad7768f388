import { Code } from "@credit/domain/Ids"
import { DisputeOutcome, type Reversal } from "@credit/domain/Reversal"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { actorFlag, actorOf } from "../flags/Actor.ts"
import { maybe, present, textArgument } from "../flags/Checked.ts"
import { codeFlag, justificationFlag } from "../flags/Common.ts"
import { confirm, destructiveFlags } from "../flags/Write.ts"
import { type Block, fields } from "../output/Block.ts"
import { table } from "../output/Table.ts"
import { count, credits, instant, maybeInstant } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { balanceFields, entryColumns } from "./accounts.ts"
import { tellWritten } from "./shared.ts"

const paymentArgument = textArgument("payment", Code).pipe(Argument.withDescription("The payment's reference"))

const reversalFields = (reversal: typeof Reversal.Encoded): Block =>
  fields({
    payment: reversal.externalRef,
    user: reversal.userId,
    status: reversal.status,
    gave: count(reversal.creditsGiven, "credit"),
    expired: reversal.creditsExpired === 0 ? undefined : `${credits(reversal.creditsExpired)} of them, before`,
    "taken back": credits(reversal.clawedBack),
    "as debt": reversal.debtIncurred === 0 ? undefined : credits(reversal.debtIncurred),
    category: reversal.category,
    at: instant(reversal.at),
    by: reversal.actor,
    resolved: maybeInstant(reversal.resolvedAt)
  })

const applyRefund = Command.make(
  "apply",
  { payment: paymentArgument, reason: justificationFlag, actor: actorFlag, ...destructiveFlags },
  Effect.fn("cli.refund.apply")(function* ({ actor, payment, reason, yes, ...write }) {
    yield* confirm({ ...write, yes }, `Take back the credits of the payment ${payment}?`)
    const service = yield* Service
    const adminActor = yield* actorOf(actor)
    const written = yield* service.command(write, (client, options) =>
      client.refund.apply({ externalRef: payment, justification: reason, adminActor }, options)
    )
    const { ledgerEntries, reversal, userBalance } = written.answer
    yield* tellWritten(
      written,
      `Refunded: ${count(reversal.clawedBack, "credit")} taken back from ${reversal.userId}`,
      reversalFields(reversal),
      table(entryColumns, ledgerEntries, "Nothing to take back: all of it had expired"),
      balanceFields(userBalance)
    )
  })
).pipe(
  Command.withDescription(
    "Take back the credits of a purchase that is refunded, once for ever. It moves no money: the payment provider does that. For an admin"
  ),
  Command.withShortDescription("Take back the credits of a purchase that is refunded"),
  Command.withExamples([
    {
      command: 'credit-cli refund apply payment-1001 --reason "did not like it" --dry-run',
      description: "What it would take"
    },
    { command: 'credit-cli refund apply payment-1001 --reason "did not like it"', description: "It asks first" }
  ])
)

export const refund = Command.make("refund").pipe(
  Command.withDescription("Purchases that the merchant takes back"),
  Command.withSubcommands([applyRefund])
)

const applyChargeback = Command.make(
  "apply",
  {
    payment: paymentArgument,
    category: maybe(codeFlag("category", "Why, in the provider's words, such as fraudulent")),
    actor: actorFlag,
    ...destructiveFlags
  },
  Effect.fn("cli.chargeback.apply")(function* ({ actor, category, payment, yes, ...write }) {
    yield* confirm({ ...write, yes }, `Take back the credits of the disputed payment ${payment}?`)
    const service = yield* Service
    const adminActor = yield* actorOf(actor)
    const written = yield* service.command(write, (client, options) =>
      client.chargeback.apply({ externalRef: payment, adminActor, ...present({ category }) }, options)
    )
    const { ledgerEntries, reversal, userBalance } = written.answer
    yield* tellWritten(
      written,
      `Charged back: ${count(reversal.clawedBack, "credit")} taken back from ${reversal.userId}`,
      reversalFields(reversal),
      table(entryColumns, ledgerEntries, "Nothing to take back: all of it had expired"),
      balanceFields(userBalance)
    )
  })
).pipe(
  Command.withDescription(
    "Take back the credits of a purchase that the payer's bank disputes, until it is resolved. For an admin"
  ),
  Command.withShortDescription("Take back the credits of a disputed purchase"),
  Command.withExamples([
    { command: "credit-cli chargeback apply payment-1001 --category fraudulent", description: "A dispute is opened" }
  ])
)

const resolveChargeback = Command.make(
  "resolve",
  {
    payment: paymentArgument,
    outcome: Flag.Literals("outcome", DisputeOutcome.literals).pipe(
      Flag.withMetavar("outcome"),
      Flag.withDescription("For the merchant: won gives the credits back, lost leaves them taken")
    ),
    actor: actorFlag,
    ...destructiveFlags
  },
  Effect.fn("cli.chargeback.resolve")(function* ({ actor, outcome, payment, yes, ...write }) {
    yield* confirm({ ...write, yes }, `Resolve the dispute of ${payment} as ${outcome}? An outcome is final`)
    const service = yield* Service
    const adminActor = yield* actorOf(actor)
    const written = yield* service.command(write, (client, options) =>
      client.chargeback.resolve({ externalRef: payment, outcome, adminActor }, options)
    )
    const { ledgerEntries, lot, reversal, userBalance } = written.answer
    yield* tellWritten(
      written,
      lot === undefined
        ? `The dispute is ${reversal.status}: what was taken stays taken`
        : `The dispute is ${reversal.status}: ${count(lot.creditsTotal, "credit")} given back to ${reversal.userId}`,
      reversalFields(reversal),
      ledgerEntries.length === 0 ? fields({}) : table(entryColumns, ledgerEntries, ""),
      balanceFields(userBalance)
    )
  })
).pipe(
  Command.withDescription("End a dispute, for good: won gives back exactly what was taken. For an admin"),
  Command.withExamples([
    {
      command: "credit-cli chargeback resolve payment-1001 --outcome won --yes",
      description: "The bank agreed with us"
    }
  ])
)

export const chargeback = Command.make("chargeback").pipe(
  Command.withDescription("Purchases that the payer's bank disputes"),
  Command.withSubcommands([applyChargeback, resolveChargeback])
)
