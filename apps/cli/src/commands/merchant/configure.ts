import { ConsumptionOrder, type MerchantSettings } from "@credit/domain/Merchant"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, repeated, wholeFlag } from "../../flags/Checked.ts"
import { writeFlags } from "../../flags/Write.ts"
import { type Block, fields } from "../../output/Block.ts"
import { UsageProblem } from "../../Problem.ts"
import { Service } from "../../Service.ts"
import { tellWritten } from "../shared.ts"
import { legalFlags } from "./legalFlags.ts"

export const settingsFields = (settings: typeof MerchantSettings.Encoded): Block =>
  fields({
    merchant: settings.merchantId,
    sandbox: settings.sandbox,
    "legal name": settings.legalName,
    "legal address": settings.legalAddress,
    "tax id": settings.taxId,
    tax: settings.taxRate === undefined ? settings.taxRegime : `${settings.taxRegime}, ${settings.taxRate} %`,
    "receipt prefix": settings.receiptPrefix,
    "operation timeout": `${settings.operationTimeoutMinutes} min, at most ${settings.operationTimeoutMaxMinutes} min`,
    "late close": `${settings.lateCloseHours} h`,
    "open operations": `at most ${settings.maxOpenOperations} with an estimate per user`,
    "consumption order": settings.consumptionOrder
  })

/** Settings that may be absent, by the flag that takes them away. */
const CLEARABLE = { "legal-address": "legalAddress", "tax-id": "taxId", "tax-rate": "taxRate" } as const

export const configure = Command.make(
  "configure",
  {
    ...legalFlags,
    operationTimeoutMinutes: maybe(
      wholeFlag("operation-timeout", 1, 525_600).pipe(
        Flag.withMetavar("minutes"),
        Flag.withDescription("Until an operation expires that does not say itself")
      )
    ),
    operationTimeoutMaxMinutes: maybe(
      wholeFlag("operation-timeout-max", 1, 525_600).pipe(
        Flag.withMetavar("minutes"),
        Flag.withDescription("The longest an operation may stay open")
      )
    ),
    lateCloseHours: maybe(
      wholeFlag("late-close", 0, 87_600).pipe(
        Flag.withMetavar("hours"),
        Flag.withDescription("How long after its expiry an operation may still be closed; 0: never")
      )
    ),
    maxOpenOperations: maybe(
      wholeFlag("max-open-operations", 1, 100_000).pipe(
        Flag.withDescription("How many operations with an estimate one user may have open")
      )
    ),
    consumptionOrder: maybe(
      Flag.Literals("consumption-order", ConsumptionOrder.literals).pipe(
        Flag.withMetavar("order"),
        Flag.withDescription("Which lots are spent first")
      )
    ),
    clear: repeated(
      Flag.Literals("clear", ["legal-address", "tax-id", "tax-rate"]).pipe(
        Flag.withMetavar("setting"),
        Flag.withDescription("Take a setting away; may be given several times")
      )
    ),
    ...writeFlags
  },
  Effect.fn("cli.merchant.configure")(function* ({ clear, dryRun, idempotencyKey, ...settings }) {
    const cleared = Object.fromEntries(clear.map((name) => [CLEARABLE[name], null]))
    const changes = { ...present(settings), ...cleared }
    if (Object.keys(changes).length === 0) {
      return yield* new UsageProblem({ message: "Nothing to change: give at least one setting" })
    }
    const both = clear.find((name) => settings[CLEARABLE[name]] !== undefined)
    if (both !== undefined) return yield* new UsageProblem({ message: `--${both} is both given and cleared` })
    const service = yield* Service
    const written = yield* service.command({ dryRun, idempotencyKey }, (client, options) =>
      client.merchant.configure(changes, options)
    )
    yield* tellWritten(written, "Configured", settingsFields(written.answer.settings))
  })
).pipe(
  Command.withDescription(
    "Change a merchant's settings. What is not named stays; they hold from the next command on, and receipts that were issued stay as they are"
  ),
  Command.withShortDescription("Change a merchant's settings"),
  Command.withExamples([
    {
      command: 'credit-cli merchant configure --merchant acme --legal-name "Acme Ltd" --tax-regime vat --tax-rate 20',
      description: "What receipts say"
    },
    {
      command: "credit-cli merchant configure --consumption-order expiring_first",
      description: "Spend what expires first"
    },
    { command: "credit-cli merchant configure --clear tax-id --dry-run", description: "How it would be" }
  ])
)
