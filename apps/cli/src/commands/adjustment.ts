import { MAX_CREDITS } from "@credit/domain/Credits"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { actorFlag, actorOf } from "../flags/Actor.ts"
import { maybe, wholeFlag } from "../flags/Checked.ts"
import { justificationFlag, periodFlag, userFlag } from "../flags/Common.ts"
import { confirm, destructiveFlags } from "../flags/Write.ts"
import { fields } from "../output/Block.ts"
import { table } from "../output/Table.ts"
import { count, instant } from "../output/Words.ts"
import { UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { balanceFields, entryColumns } from "./accounts.ts"
import { tellWritten } from "./shared.ts"

const amountFlag = (name: string, description: string) =>
  maybe(wholeFlag(name, 1, MAX_CREDITS).pipe(Flag.withMetavar("credits"), Flag.withDescription(description)))

const apply = Command.make(
  "apply",
  {
    user: userFlag,
    credit: amountFlag("credit", "Give so many credits"),
    debit: amountFlag("debit", "Take so many credits; what no lot covers becomes debt"),
    period: periodFlag.pipe(Flag.withDefault(365)),
    reason: justificationFlag,
    actor: actorFlag,
    ...destructiveFlags
  },
  Effect.fn("cli.adjustment.apply")(function* (given) {
    const { actor, credit, debit, dryRun, idempotencyKey, period, reason, user, yes } = given
    const service = yield* Service
    const by = { userId: user, justification: reason, adminActor: yield* actorOf(actor) }
    const write = { dryRun, idempotencyKey }
    if (credit !== undefined && debit === undefined) {
      const written = yield* service.command(write, (client, options) =>
        client.creditAdjustment.apply({ ...by, creditAmount: credit, accessPeriodDays: period }, options)
      )
      const { lot, userBalance } = written.answer
      return yield* tellWritten(
        written,
        `Gave ${count(lot.creditsTotal, "credit")} to ${user}`,
        fields({ lot: lot.lotId, expires: instant(lot.expiresAt) }),
        balanceFields(userBalance)
      )
    }
    if (debit === undefined || credit !== undefined) {
      return yield* new UsageProblem({ message: "Give one of --credit and --debit" })
    }
    yield* confirm({ dryRun, yes }, `Take ${count(debit, "credit")} from ${user}?`)
    const written = yield* service.command(write, (client, options) =>
      client.debitAdjustment.apply({ ...by, debitAmount: debit }, options)
    )
    yield* tellWritten(
      written,
      `Took ${count(debit, "credit")} from ${user}`,
      table(entryColumns, written.answer.ledgerEntries, "No entries"),
      balanceFields(written.answer.userBalance)
    )
  })
).pipe(
  Command.withDescription(
    "Put something right by hand: give a user credits, or take some. What is taken beyond the credits there are becomes debt. For an admin"
  ),
  Command.withShortDescription("Give a user credits, or take some, to put something right"),
  Command.withExamples([
    {
      command: 'credit-cli adjustment apply --user ann --credit 25 --reason "charged twice on 3 March"',
      description: "Give back"
    },
    {
      command: 'credit-cli adjustment apply --user ann --debit 10 --reason "granted by mistake" --yes',
      description: "Take back, from a script"
    }
  ])
)

export const adjustment = Command.make("adjustment").pipe(
  Command.withDescription("Corrections by hand"),
  Command.withSubcommands([apply])
)
