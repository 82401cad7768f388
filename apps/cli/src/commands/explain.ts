import { Code, EntryId, LotId } from "@credit/domain/Ids"
import type { Api } from "@credit/rpc/Api"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { present, textArgument } from "../flags/Checked.ts"
import { operationArgument, pageFlags } from "../flags/Common.ts"
import { stack } from "../output/Block.ts"
import { bullets } from "../output/Bullets.ts"
import { table } from "../output/Table.ts"
import { Service } from "../Service.ts"
import { entryColumns, lotColumns } from "./accounts.ts"
import { tellPage } from "./shared.ts"

type Explanation = RpcSuccessEncoded<typeof Api, "Explain">

const tellExplanation = (explanation: Explanation) =>
  tellPage(
    explanation,
    stack(
      bullets(explanation.lines),
      explanation.entries.length === 0 ? undefined : table(entryColumns, explanation.entries, ""),
      explanation.lots.length === 0 ? undefined : table(lotColumns, explanation.lots, "")
    )
  )

const entry = Command.make(
  "entry",
  { entry: textArgument("entry", EntryId).pipe(Argument.withDescription("The entry's id, as --json tells it")) },
  Effect.fn("cli.explain.entry")(function* ({ entry: entryId }) {
    const service = yield* Service
    yield* tellExplanation(yield* service.query((client, options) => client.explain({ entryId }, options)))
  })
).pipe(
  Command.withDescription("Why a ledger entry is as it is"),
  Command.withExamples([
    { command: "credit-cli explain entry 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44", description: "By which rule" }
  ])
)

const operation = Command.make(
  "operation",
  { operation: operationArgument },
  Effect.fn("cli.explain.operation")(function* ({ operation: operationId }) {
    const service = yield* Service
    yield* tellExplanation(yield* service.query((client, options) => client.explain({ operationId }, options)))
  })
).pipe(
  Command.withDescription("How an operation's cost came about, and which lots paid it"),
  Command.withExamples([
    {
      command: "credit-cli explain operation 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44",
      description: "What it cost, and why"
    }
  ])
)

const lot = Command.make(
  "lot",
  { lot: textArgument("lot", LotId).pipe(Argument.withDescription("The lot's id")), ...pageFlags },
  Effect.fn("cli.explain.lot")(function* ({ cursor, limit, lot: lotId }) {
    const service = yield* Service
    yield* tellExplanation(
      yield* service.query((client, options) => client.explain({ lotId, limit, ...present({ cursor }) }, options))
    )
  })
).pipe(
  Command.withDescription("Where a lot comes from, and what became of it"),
  Command.withExamples([
    { command: "credit-cli explain lot 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44", description: "Its whole life" }
  ])
)

const command = Command.make(
  "command",
  {
    type: textArgument("type", Code).pipe(Argument.withDescription("The command's name, such as Purchase.Settled")),
    key: textArgument("key", Code).pipe(Argument.withDescription("Its idempotency key"))
  },
  Effect.fn("cli.explain.command")(function* ({ key, type }) {
    const service = yield* Service
    yield* tellExplanation(
      yield* service.query((client, options) => client.explain({ commandType: type, idempotencyKey: key }, options))
    )
  })
).pipe(
  Command.withDescription("What was decided under an idempotency key, and if it was refused, why"),
  Command.withExamples([
    {
      command: "credit-cli explain command Purchase.Settled 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44",
      description: "What came of it"
    }
  ])
)

export const explain = Command.make("explain").pipe(
  Command.withDescription("Why something is as it is, rule by rule"),
  Command.withSubcommands([operation, entry, lot, command])
)
