import type { Api } from "@credit/rpc/Api"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { type Block, fields, stack } from "../../output/Block.ts"
import { table } from "../../output/Table.ts"
import { count, credits, maybeInstant } from "../../output/Words.ts"
import { FaultFound } from "../../Problem.ts"
import { Service } from "../../Service.ts"
import { tell } from "../shared.ts"
import { settingsFields } from "./configure.ts"
import { checksTable } from "./onboard.ts"

type Status = RpcSuccessEncoded<typeof Api, "Merchant.Status">

const block = ({
  catalog,
  checks,
  clockOffsetHours,
  jobs,
  migrations,
  operations,
  service,
  settings,
  totals
}: Status): Block => {
  const about = totals.exact ? "" : "about "
  return stack(
    settingsFields(settings),
    fields({
      status: service.status,
      reason: service.reason,
      "meant to end": maybeInstant(service.until),
      "clock ahead": clockOffsetHours === 0 ? undefined : `${credits(clockOffsetHours)} h`,
      sells: `${count(catalog.sellableProducts, "product")}, and gives ${count(catalog.grantProducts, "grant")}`,
      rates: `of ${count(catalog.operationTypes, "operation type")}`,
      database: `version ${migrations.version}${migrations.version < migrations.needed ? `, ${migrations.needed} is needed` : ""}`,
      accounts: `${about}${credits(totals.accounts)}`,
      credits: `${about}${credits(totals.balance)}, of which ${credits(totals.held)} held`,
      debt: totals.debt === 0 ? undefined : `${about}${credits(totals.debt)}`,
      operations: `${credits(operations.open)}${operations.more ? " and more" : ""} open`
    }),
    jobs.length === 0
      ? undefined
      : table(
          [
            { title: "job", value: ({ job }) => job },
            { title: "last run", value: ({ lastStartedAt }) => maybeInstant(lastStartedAt) },
            { title: "state", value: ({ lastState }) => lastState },
            { title: "succeeded", value: ({ lastSucceededAt }) => maybeInstant(lastSucceededAt) },
            { title: "error", value: ({ lastError }) => lastError, shrink: true }
          ],
          jobs,
          ""
        ),
    checksTable(checks)
  )
}

export const status = Command.make(
  "status",
  {},
  Effect.fn("cli.merchant.status")(function* () {
    const service = yield* Service
    const answer = yield* service.query((client, options) => client.merchant.status({}, options))
    yield* tell(answer, block(answer))
    const wrong = answer.checks.find(({ ok }) => !ok)
    if (wrong !== undefined) {
      return yield* new FaultFound({ message: `${wrong.check} is not as it must be: ${wrong.detail}` })
    }
  })
).pipe(
  Command.withDescription(
    "How a merchant stands: settings, catalog, totals, jobs, and checks of its setup. Ends with 5 if a check fails. For an admin"
  ),
  Command.withShortDescription("How a merchant stands"),
  Command.withExamples([
    { command: "credit-cli merchant status --merchant acme", description: "All of it" },
    { command: "credit-cli merchant status --json | jq .totals", description: "For a script" }
  ])
)
