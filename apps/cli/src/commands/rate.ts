import { PositiveRate } from "@credit/domain/Decimal"
import { Code, text as textOf } from "@credit/domain/Ids"
import type { OperationType } from "@credit/domain/OperationType"
import { CatalogStatus } from "@credit/domain/Product"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, textArgument, textFlag } from "../flags/Checked.ts"
import { codeFlag, fixedInstantFlag, pageFlags } from "../flags/Common.ts"
import { writeFlags } from "../flags/Write.ts"
import { fields } from "../output/Block.ts"
import { type Column, table } from "../output/Table.ts"
import { instant, maybeInstant } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { tellPage, tellWritten } from "./shared.ts"

export type RateJson = typeof OperationType.Encoded

const columns: ReadonlyArray<Column<RateJson>> = [
  { title: "type", value: ({ operationTypeCode }) => operationTypeCode },
  { title: "title", value: ({ title }) => title, shrink: true },
  { title: "rate", value: ({ creditsPerUnit }) => creditsPerUnit, right: true },
  { title: "per", value: ({ resourceUnit }) => resourceUnit },
  { title: "from", value: ({ effectiveAt }) => instant(effectiveAt) },
  { title: "until", value: ({ archivedAt }) => maybeInstant(archivedAt) },
  { title: "status", value: ({ status }) => status }
]

const rateText = ({ creditsPerUnit, resourceUnit }: RateJson): string => `${creditsPerUnit} credits per ${resourceUnit}`

const set = Command.make(
  "set",
  {
    type: textArgument("type", Code).pipe(Argument.withDescription("The operation type's code")),
    rate: textFlag("rate", PositiveRate).pipe(
      Flag.withMetavar("decimal"),
      Flag.withDescription("Credits for one unit of the resource")
    ),
    unit: codeFlag("unit", "The resource's unit; the same for all versions of a type"),
    title: maybe(
      textFlag("title", textOf(500)).pipe(Flag.withMetavar("text"), Flag.withDescription("What people read"))
    ),
    effective: maybe(fixedInstantFlag("effective", "From when on (default: now)")),
    ...writeFlags
  },
  Effect.fn("cli.rate.set")(function* ({ effective, rate, title, type, unit, ...write }) {
    const service = yield* Service
    const written = yield* service.command(write, (client, options) =>
      client.operationType.create(
        {
          operationTypeCode: type,
          resourceUnit: unit,
          creditsPerUnit: rate,
          ...present({ title, effectiveAt: effective })
        },
        options
      )
    )
    const { operationType, replaced } = written.answer
    yield* tellWritten(
      written,
      `${type} costs ${rateText(operationType)}`,
      fields({
        from: instant(operationType.effectiveAt),
        replaces: replaced === undefined ? "nothing: a new type" : rateText(replaced)
      })
    )
  })
).pipe(
  Command.withDescription(
    "Set what one unit of a kind of work costs: a new version of the rate. Operations that are open keep theirs"
  ),
  Command.withShortDescription("Set what one unit of work costs"),
  Command.withExamples([
    { command: "credit-cli rate set llm_tokens --rate 0.60 --unit K_TOKENS", description: "From now on" },
    {
      command: "credit-cli rate set llm_tokens --rate 0.60 --unit K_TOKENS --effective 2027-01-01",
      description: "With the new year"
    }
  ])
)

const list = Command.make(
  "list",
  {
    type: maybe(codeFlag("type", "Only this operation type's")),
    status: maybe(
      Flag.Literals("status", CatalogStatus.literals).pipe(
        Flag.withMetavar("status"),
        Flag.withDescription("Only those")
      )
    ),
    ...pageFlags
  },
  Effect.fn("cli.rate.list")(function* ({ cursor, limit, status, type }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.operationType.list({ limit, ...present({ cursor, status, operationTypeCode: type }) }, options)
    )
    yield* tellPage(page, table(columns, page.operationTypes, "No rates"))
  })
).pipe(
  Command.withDescription("What work costs: every version of every rate, by type and time"),
  Command.withExamples([
    { command: "credit-cli rate list --status active", description: "What operations capture now" },
    { command: "credit-cli rate list --type llm_tokens", description: "How one rate has changed" }
  ])
)

export const rate = Command.make("rate").pipe(
  Command.withDescription("What work costs"),
  Command.withSubcommands([list, set])
)
