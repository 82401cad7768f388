import type { ServiceStatus } from "@credit/domain/Merchant"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, present } from "../flags/Checked.ts"
import { fixedInstantFlag, justificationFlag, spanFlag } from "../flags/Common.ts"
import { confirm, destructiveFlags, firstTry, writeFlags } from "../flags/Write.ts"
import { askHealth, merchantsOf, statusOf } from "../health.ts"
import { type Block, fields, stack, text } from "../output/Block.ts"
import { maybeInstant } from "../output/Words.ts"
import { FaultFound, UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { tellWritten } from "./shared.ts"

const statusFields = ({ reason, status, until }: typeof ServiceStatus.Encoded): Block =>
  fields({ status, reason, "meant to end": maybeInstant(until) })

const BLOCKED = text(
  "Blocked now, and answered with MaintenanceMode: purchases, operations, grants, adjustments, refunds, chargebacks,",
  "products, rates, settings. Also paused: jobs that move credits.",
  "Still open: every query, maintenance, migrations, tokens."
)

const enter = Command.make(
  "enter",
  {
    reason: justificationFlag.pipe(Flag.withDescription("Why; it is told to every caller, and kept in the audit log")),
    until: maybe(fixedInstantFlag("until", "When it is meant to end: the callers' hint; it does not end by itself")),
    lasting: maybe(spanFlag("for", "Likewise, so long from now: 30m, 2h")),
    ...destructiveFlags
  },
  Effect.fn("cli.maintenance.enter")(function* ({ lasting, reason, until, yes, ...write }) {
    if (until !== undefined && lasting !== undefined) {
      return yield* new UsageProblem({ message: "--until and --for are both given: one of them" })
    }
    const service = yield* Service
    const { merchant } = yield* service.connection
    yield* confirm({ ...write, yes }, `Stop every command of ${merchant?.value ?? "the merchant"}?`)
    const end = yield* endOf(write, until, lasting)
    const written = yield* service.command({ ...write, ...present({ idempotencyKey: end.key }) }, (client, options) =>
      client.maintenance.enter({ reason, ...present({ until: end.until }) }, options)
    )
    yield* tellWritten(
      written,
      `${merchant?.value ?? "The merchant"} is in maintenance: no command commits any more`,
      stack(statusFields(written.answer.serviceStatus), BLOCKED, text("credit-cli maintenance exit opens it again"))
    )
  })
).pipe(
  Command.withDescription(
    "The emergency stop: once it answers, no command of the merchant commits any more. Queries go on, and callers are told why and for how long"
  ),
  Command.withShortDescription("Stop every command of a merchant"),
  Command.withExamples([
    {
      command: 'credit-cli maintenance enter --merchant acme --reason "moving the database" --for 30m',
      description: "Stop, and tell callers to come back in half an hour"
    },
    {
      command: 'credit-cli maintenance enter --reason "double charges reported" --yes',
      description: "Without a question"
    }
  ])
)

/** When it is meant to end. An end that is so long from now is counted from the first try, which the key remembers. */
const endOf = Effect.fnUntraced(function* (
  write: { readonly idempotencyKey: string | undefined; readonly dryRun: boolean },
  until: string | undefined,
  lasting: number | undefined
) {
  if (lasting === undefined) return { until, key: write.idempotencyKey }
  const { idempotencyKey, now } = yield* firstTry(write, { until })
  return { until: new Date(Date.parse(now) + lasting).toISOString(), key: idempotencyKey }
})

const exit = Command.make(
  "exit",
  {
    force: Flag.Boolean("force").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Also when the service does not say that it is healthy")
    ),
    ...writeFlags
  },
  Effect.fn("cli.maintenance.exit")(function* ({ force, ...write }) {
    if (!force) yield* refuseUnlessHealthy
    const service = yield* Service
    const { merchant } = yield* service.connection
    const written = yield* service.command(write, (client, options) => client.maintenance.exit({}, options))
    yield* tellWritten(
      written,
      `${merchant?.value ?? "The merchant"} takes commands again`,
      statusFields(written.answer.serviceStatus)
    )
  })
).pipe(
  Command.withDescription("Let a merchant take commands again. It asks for the service's health first"),
  Command.withShortDescription("Let a merchant take commands again"),
  Command.withExamples([
    { command: "credit-cli maintenance exit --merchant acme", description: "If the service is healthy" },
    { command: "credit-cli maintenance exit --merchant acme --force", description: "Whatever its health says" }
  ])
)

/** Others may be unwell: what counts is the service itself and this merchant, whose database must answer. */
const refuseUnlessHealthy = Effect.gen(function* () {
  const service = yield* Service
  const { merchant } = yield* service.connection
  const report = yield* askHealth
  const own = merchantsOf(report.body).find(({ merchantId }) => merchantId === merchant?.value)
  const said = own?.status === "unhealthy" ? `${own.merchantId}: ${own.detail ?? own.status}` : statusOf(report)
  if (report.status !== 200 || own?.status === "unhealthy" || said === "unhealthy") {
    return yield* new FaultFound({
      message: `Not healthy (${said}): it stays in maintenance`,
      hint: "credit-cli health says more; --force opens it nevertheless"
    })
  }
})

export const maintenance = Command.make("maintenance").pipe(
  Command.withDescription("The emergency stop, and its end"),
  Command.withSubcommands([enter, exit])
)
