import { Code, text as textOf } from "@credit/domain/Ids"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, textFlag } from "../flags/Checked.ts"
import { creditsFlag, periodFlag, userFlag } from "../flags/Common.ts"
import { writeFlags } from "../flags/Write.ts"
import { fields } from "../output/Block.ts"
import { count, instant } from "../output/Words.ts"
import { UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { balanceFields } from "./accounts.ts"
import { tellWritten } from "./shared.ts"

/** What a grant may be. */
interface Asked {
  readonly credits: number | undefined
  readonly product: string | undefined
  readonly welcome: boolean
  readonly reason: string
  readonly period: number
}

/** The grant that the flags ask for: exactly one of the three kinds. */
const grantOf = ({ credits, period, product, reason, welcome }: Asked) => {
  const kinds = [credits !== undefined, product !== undefined, welcome].filter((given) => given).length
  if (kinds !== 1) {
    return Effect.fail(
      new UsageProblem({ message: "Give one of --credits (a manual grant), --product (a promotion) and --welcome" })
    )
  }
  if (product !== undefined) return Effect.succeed({ type: "promo" as const, productCode: product })
  if (credits === undefined) return Effect.succeed({ type: "welcome" as const })
  return Effect.succeed({ type: "manual" as const, credits, accessPeriodDays: period, justification: reason })
}

const apply = Command.make(
  "apply",
  {
    user: userFlag,
    credits: maybe(creditsFlag("How many credits, for a manual grant")),
    product: maybe(
      textFlag("product", Code).pipe(
        Flag.withMetavar("code"),
        Flag.withDescription("A grant product instead, for a promotion")
      )
    ),
    welcome: Flag.Boolean("welcome").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("The merchant's welcome grant instead, once per user for ever")
    ),
    reason: textFlag("reason", textOf(2000)).pipe(
      Flag.withMetavar("text"),
      Flag.withDefault("manual_grant"),
      Flag.withDescription("Why, for the record (default: manual_grant)")
    ),
    period: periodFlag.pipe(Flag.withDefault(365)),
    ...writeFlags
  },
  Effect.fn("cli.grant.apply")(function* ({ dryRun, idempotencyKey, user, ...asked }) {
    const grant = yield* grantOf(asked)
    const service = yield* Service
    const written = yield* service.command({ dryRun, idempotencyKey }, (client, options) =>
      client.grant.apply({ userId: user, grant }, options)
    )
    const { lot, userBalance } = written.answer
    yield* tellWritten(
      written,
      `Granted ${count(lot.creditsTotal, "credit")} to ${user}`,
      fields({ lot: lot.lotId, product: lot.productCode, expires: instant(lot.expiresAt) }),
      balanceFields(userBalance)
    )
  })
).pipe(
  Command.withDescription(
    "Give a user credits without a purchase. A manual grant and a promotion need an admin's token, a welcome an app's"
  ),
  Command.withShortDescription("Give a user credits without a purchase"),
  Command.withExamples([
    {
      command: 'credit-cli grant apply --merchant demo --user ann --credits 50 --reason "sorry for the outage"',
      description: "50 credits for a year"
    },
    { command: "credit-cli grant apply --user ann --credits 50 --period 30", description: "For 30 days" },
    { command: "credit-cli grant apply --user ann --product launch", description: "A promotion, as its product says" },
    { command: "credit-cli grant apply --user ann --credits 50 --dry-run", description: "What it would do" }
  ])
)

export const grant = Command.make("grant").pipe(
  Command.withDescription("Credits without a purchase"),
  Command.withSubcommands([apply])
)
