import { MerchantId } from "@credit/domain/Ids"
import type { Api } from "@credit/rpc/Api"
import type { MerchantCheck } from "@credit/rpc/Merchants"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, textArgument } from "../../flags/Checked.ts"
import { spanFlag } from "../../flags/Common.ts"
import { writeFlags } from "../../flags/Write.ts"
import { type Block, heading, stack } from "../../output/Block.ts"
import { Output } from "../../output/Output.ts"
import { table } from "../../output/Table.ts"
import { duration } from "../../output/Words.ts"
import { type DoneOf, follow, type PartsOf } from "../following.ts"
import { tellWritten } from "../shared.ts"
import { issuedFields } from "../token.ts"
import { legalFlags } from "./legalFlags.ts"

type Part = PartsOf<RpcSuccessEncoded<typeof Api, "Merchant.Onboard">>

const words = (part: Part): string | undefined => {
  switch (part._tag) {
    case "StepStarted":
      return `${part.position}/${part.total} ${part.step}`
    case "Migrated":
      return `migrate: ${part.position}/${part.total} ${part.name}`
    case "Working":
      return `at work for ${duration(part.elapsedMillis / 1000)}`
    default:
      return undefined
  }
}

export const checksTable = (checks: ReadonlyArray<typeof MerchantCheck.Encoded>): Block =>
  table(
    [
      { title: "check", value: ({ check }) => check },
      { title: "ok", value: ({ ok }) => (ok ? "yes" : "NO") },
      { title: "", value: ({ detail }) => detail, shrink: true }
    ],
    checks,
    "No checks"
  )

const report = ({ checks, steps, token }: DoneOf<Part>): Block =>
  stack(
    table(
      [
        { title: "step", value: ({ step }) => step },
        { title: "outcome", value: ({ outcome }) => outcome },
        { title: "", value: ({ detail }) => detail, shrink: true }
      ],
      steps,
      "No steps"
    ),
    checks.length === 0 ? undefined : checksTable(checks),
    token === undefined ? undefined : heading("Its app's token, shown once"),
    token === undefined ? undefined : issuedFields(token)
  )

export const onboard = Command.make(
  "onboard",
  {
    id: textArgument("id", MerchantId).pipe(Argument.withDescription("The merchant's id: a-z, 0-9 and -, for ever")),
    sandbox: Flag.Boolean("sandbox").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Its clock may be moved; for ever")
    ),
    ...legalFlags,
    emptyCatalog: Flag.Boolean("empty-catalog").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Without the sample products and rates")
    ),
    tokenLifetime: maybe(spanFlag("token-lifetime", "How long its app's token is valid: 90d (default: 90d)")),
    ...writeFlags
  },
  Effect.fn("cli.merchant.onboard")(function* (given) {
    const { dryRun, emptyCatalog, id, idempotencyKey, sandbox, tokenLifetime } = given
    const { legalAddress, legalName, receiptPrefix, taxId, taxRate, taxRegime } = given
    const settings = present({ legalAddress, legalName, receiptPrefix, taxId, taxRate, taxRegime })
    const written = yield* follow(
      { dryRun, idempotencyKey },
      (client, options) =>
        client.merchant.onboard(
          {
            merchantId: id,
            sandbox,
            settings,
            catalog: emptyCatalog ? "none" : "samples",
            ...present({ tokenLifetimeSeconds: tokenLifetime === undefined ? undefined : tokenLifetime / 1000 })
          },
          { ...options, merchantId: id }
        ),
      words
    )
    const output = yield* Output
    if (!output.json) yield* tellWritten(written, `${id} is onboarded`, report(written.answer))
    for (const { check, detail, ok } of written.answer.checks) {
      if (!ok) yield* output.note(output.paint.yellow(`Not as it should be: ${check}: ${detail}`))
    }
  })
).pipe(
  Command.withDescription(
    "Make a merchant: its database, migrated; settings; a first catalog; jobs; a token for its app. Each step is done or not: after a failure the same key goes on with what is missing"
  ),
  Command.withShortDescription("Make a merchant, or finish making it"),
  Command.withExamples([
    { command: "credit-cli merchant onboard beta --sandbox", description: "A place to try things" },
    {
      command:
        'credit-cli merchant onboard acme --legal-name "Acme Ltd" --tax-regime vat --tax-rate 20 --receipt-prefix ACME --empty-catalog',
      description: "One that sells"
    },
    { command: "credit-cli merchant onboard acme --dry-run", description: "What is missing" }
  ])
)
