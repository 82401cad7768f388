import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { writeFlags } from "../../flags/Write.ts"
import { fields } from "../../output/Block.ts"
import { Output } from "../../output/Output.ts"
import { count, credits, instant } from "../../output/Words.ts"
import { FaultFound } from "../../Problem.ts"
import { Service } from "../../Service.ts"
import { runFields } from "../jobs.ts"
import { tellWritten } from "../shared.ts"

const JOB = "ledger_verification"

export const verify = Command.make(
  "verify",
  writeFlags,
  Effect.fn("cli.ledger.verify")(function* (write) {
    const service = yield* Service
    const output = yield* Output
    const { merchant } = yield* service.connection
    yield* output.progress(`verifying ${merchant?.value ?? "the ledger"}…`)
    const written = yield* service.command(write, (client, options) => client.job.run({ name: JOB }, options))
    const { driftedAccounts } = yield* service.query((client, options) => client.job.status({}, options))
    yield* output.progressEnd
    const { run } = written.answer
    if (run === undefined) return yield* tellWritten(written, "The ledger would be verified")
    if (run.state !== "succeeded" || driftedAccounts > 0) {
      yield* tellWritten(
        written,
        `Verification ${run.state}`,
        runFields(run),
        fields({ drift: credits(driftedAccounts) })
      )
      return yield* new FaultFound({
        message:
          driftedAccounts > 0
            ? `${count(driftedAccounts, "account")} not the sum of their entries${run.error === undefined ? "" : `: ${run.error}`}`
            : `The verification was ${run.state}${run.error === undefined ? "" : `: ${run.error}`}`,
        ...(run.state === "skipped" ? { hint: "another run is at work: try again" } : {})
      })
    }
    yield* tellWritten(
      written,
      `The ledger is intact: ${count(run.affectedRows, "account")} verified`,
      fields({
        started: instant(run.startedAt),
        finished: run.finishedAt === undefined ? undefined : instant(run.finishedAt)
      })
    )
  })
).pipe(
  Command.withDescription(
    "Check that accounts, lots, holds and debts are the sum of their entries and that the entries chain, on the accounts that moved since the last time. One verdict; ends with 5 and the first fault if it is not so"
  ),
  Command.withShortDescription("Check that everything is the sum of its entries"),
  Command.withExamples([
    { command: "credit-cli ledger verify --merchant acme", description: "One merchant's" },
    { command: "credit-cli ledger verify --json", description: "For a script" }
  ])
)
