import { text as textOf } from "@credit/domain/Ids"
import type { Operation } from "@credit/domain/Operation"
import type { Api } from "@credit/rpc/Api"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present, textFlag, wholeFlag } from "../flags/Checked.ts"
import {
  amountFlag,
  codeFlag,
  fixedInstantFlag,
  instantFlag,
  operationArgument,
  userArgument,
  userFlag
} from "../flags/Common.ts"
import { confirm, destructiveFlags, firstTry, writeFlags } from "../flags/Write.ts"
import { type Block, fields } from "../output/Block.ts"
import { type Column, table } from "../output/Table.ts"
import { count, credits, instant, maybeInstant } from "../output/Words.ts"
import { Service } from "../Service.ts"
import { balanceFields, entryColumns } from "./accounts.ts"
import { tell, tellWritten } from "./shared.ts"

type OperationJson = typeof Operation.Encoded

export const operationColumns: ReadonlyArray<Column<OperationJson>> = [
  { title: "operation", value: ({ operationId }) => operationId },
  { title: "type", value: ({ operationTypeCode }) => operationTypeCode, shrink: true },
  { title: "held", value: ({ held }) => credits(held), right: true },
  { title: "opened", value: ({ openedAt }) => instant(openedAt) },
  { title: "expires", value: ({ expiresAt }) => instant(expiresAt) },
  { title: "workflow", value: ({ workflowId }) => workflowId, shrink: true }
]

type Metrics = RpcSuccessEncoded<typeof Api, "GetOperationMetrics">["operationTypes"][number]

const metricColumns: ReadonlyArray<Column<Metrics>> = [
  { title: "type", value: ({ operationTypeCode }) => operationTypeCode, shrink: true },
  { title: "opened", value: ({ opened }) => credits(opened), right: true },
  { title: "open", value: ({ open: still }) => credits(still), right: true },
  { title: "closed", value: ({ closed }) => credits(closed), right: true },
  { title: "late", value: ({ late }) => credits(late), right: true },
  { title: "cancelled", value: ({ cancelled }) => credits(cancelled), right: true },
  { title: "expired", value: ({ expired }) => credits(expired), right: true },
  { title: "median s", value: ({ durationSeconds }) => durationSeconds?.median, right: true },
  { title: "p95 s", value: ({ durationSeconds }) => durationSeconds?.p95, right: true },
  { title: "credits", value: ({ credits: cost }) => credits(cost), right: true }
]

const operationFields = (operation: OperationJson): Block =>
  fields({
    operation: operation.operationId,
    user: operation.userId,
    status: operation.late ? `${operation.status}, late` : operation.status,
    type: operation.operationTypeCode,
    rate: `${operation.capturedRate} credits per ${operation.resourceUnit}`,
    estimate:
      operation.estimatedAmount === undefined ? undefined : `${operation.estimatedAmount} ${operation.resourceUnit}`,
    held: credits(operation.held),
    workflow: operation.workflowId,
    opened: instant(operation.openedAt),
    expires: instant(operation.expiresAt),
    used: operation.resourceAmount === undefined ? undefined : `${operation.resourceAmount} ${operation.resourceUnit}`,
    cost: operation.finalCost === undefined ? undefined : count(operation.finalCost, "credit"),
    closed: maybeInstant(operation.closedAt),
    completed: maybeInstant(operation.completedAt)
  })

const list = Command.make(
  "list",
  { user: userArgument },
  Effect.fn("cli.operation.list")(function* ({ user }) {
    const service = yield* Service
    const answer = yield* service.query((client, options) => client.listOpenOperations({ userId: user }, options))
    yield* tell(answer, table(operationColumns, answer.operations, "No open operations"))
  })
).pipe(
  Command.withDescription("A user's open operations, oldest first"),
  Command.withExamples([{ command: "credit-cli operation list ann", description: "What is being done for Ann" }])
)

const show = Command.make(
  "show",
  { operation: operationArgument },
  Effect.fn("cli.operation.show")(function* ({ operation }) {
    const service = yield* Service
    const answer = yield* service.query((client, options) => client.getOperation({ operationId: operation }, options))
    yield* tell(answer, operationFields(answer))
  })
).pipe(
  Command.withDescription("One operation: its rate, what it holds, what it used and cost"),
  Command.withExamples([
    { command: "credit-cli operation show 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44", description: "One operation" }
  ])
)

const open = Command.make(
  "open",
  {
    user: userFlag,
    type: codeFlag("type", "The operation type: what kind of work, at which rate"),
    estimate: maybe(amountFlag("estimate", "How much it will use; its cost is held. Without it nothing is held")),
    workflow: maybe(codeFlag("workflow", "The workflow it is part of")),
    timeout: maybe(
      wholeFlag("timeout", 1, 525_600).pipe(
        Flag.withMetavar("minutes"),
        Flag.withDescription("Until it expires (default: the merchant's setting)")
      )
    ),
    ...writeFlags
  },
  Effect.fn("cli.operation.open")(function* ({ estimate, timeout, type, user, workflow, ...write }) {
    const service = yield* Service
    const written = yield* service.command(write, (client, options) =>
      client.operation.open(
        {
          userId: user,
          operationTypeCode: type,
          ...present({ estimatedAmount: estimate, workflowId: workflow, timeoutMinutes: timeout })
        },
        options
      )
    )
    yield* tellWritten(written, `Opened an operation for ${user}`, operationFields(written.answer.operation))
  })
).pipe(
  Command.withDescription("Open a piece of metered work, as an app would"),
  Command.withExamples([
    {
      command: "credit-cli operation open --user ann --type llm_tokens --estimate 4",
      description: "Hold four units' cost"
    }
  ])
)

const close = Command.make(
  "close",
  {
    operation: operationArgument,
    used: amountFlag("used", "What it used, in the unit of its rate"),
    completed: maybe(fixedInstantFlag("completed", "When the work ended (default: now)")),
    ...writeFlags
  },
  Effect.fn("cli.operation.close")(function* ({ completed, operation, used, ...write }) {
    const { idempotencyKey, now } = yield* firstTry(write, { completed })
    const service = yield* Service
    const written = yield* service.command({ ...write, idempotencyKey }, (client, options) =>
      client.operation.recordAndClose(
        { operationId: operation, resourceAmount: used, completedAt: completed ?? now },
        options
      )
    )
    const { ledgerEntries, operation: closed, userBalance } = written.answer
    yield* tellWritten(
      written,
      `Closed: ${closed.resourceAmount} ${closed.resourceUnit} for ${count(closed.finalCost ?? 0, "credit")}`,
      table(entryColumns, ledgerEntries, "No entries"),
      balanceFields(userBalance)
    )
  })
).pipe(
  Command.withDescription("Record what an operation used, and charge it, as an app would"),
  Command.withExamples([
    {
      command: "credit-cli operation close 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44 --used 3.271",
      description: "Charge 3.271 units at the rate it was opened with"
    }
  ])
)

const cancel = Command.make(
  "cancel",
  {
    operation: operationArgument,
    reason: maybe(
      textFlag("reason", textOf(500)).pipe(Flag.withMetavar("text"), Flag.withDescription("Why, for the record"))
    ),
    ...destructiveFlags
  },
  Effect.fn("cli.operation.cancel")(function* ({ operation, reason, yes, ...write }) {
    yield* confirm({ ...write, yes }, `Cancel operation ${operation}? What it did is then not charged`)
    const service = yield* Service
    const written = yield* service.command(write, (client, options) =>
      client.operation.cancel({ operationId: operation, ...present({ reason }) }, options)
    )
    yield* tellWritten(
      written,
      `Cancelled, ${count(written.answer.operation.held, "credit")} released`,
      operationFields(written.answer.operation)
    )
  })
).pipe(
  Command.withDescription("End an open operation without charge, and release what it holds"),
  Command.withExamples([
    {
      command: 'credit-cli operation cancel 019ab4c2-7d1e-7a30-8f00-5d2c9e6b1a44 --reason "worker died" --yes',
      description: "From a script"
    }
  ])
)

const metrics = Command.make(
  "metrics",
  {
    from: instantFlag("from", "Operations opened from then on (default: 24h ago)").pipe(
      Flag.withDefault(Effect.sync(() => new Date(Date.now() - 86_400_000).toISOString()))
    ),
    to: maybe(instantFlag("to", "Before then (default: now)")),
    type: maybe(codeFlag("type", "Only this operation type's"))
  },
  Effect.fn("cli.operation.metrics")(function* ({ from, to, type }) {
    const service = yield* Service
    const answer = yield* service.query((client, options) =>
      client.getOperationMetrics(
        { from, to: to ?? new Date().toISOString(), ...present({ operationTypeCode: type }) },
        options
      )
    )
    yield* tell(answer, table(metricColumns, answer.operationTypes, "No operations"))
  })
).pipe(
  Command.withDescription(
    "How the merchant's operations went, by type: how many, how long, at what cost. For an admin"
  ),
  Command.withExamples([
    { command: "credit-cli operation metrics", description: "The last day" },
    { command: "credit-cli operation metrics --from 7d --type llm_tokens", description: "A week of one type" }
  ])
)

export const operation = Command.make("operation").pipe(
  Command.withDescription("Metered work: opened, then closed with what it used"),
  Command.withSubcommands([list, show, open, close, cancel, metrics])
)
