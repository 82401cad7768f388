import { JobName } from "@credit/domain/Job"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { writeFlags } from "../flags/Write.ts"
import { fields, stack } from "../output/Block.ts"
import { table } from "../output/Table.ts"
import { count } from "../output/Words.ts"
import { FaultFound } from "../Problem.ts"
import { Service } from "../Service.ts"
import { isAtFault, jobColumns, runFields } from "./jobs.ts"
import { tell, tellWritten } from "./shared.ts"

const run = Command.make(
  "run",
  {
    name: Argument.Literals("job", JobName.literals).pipe(
      Argument.withDescription(`Which: ${JobName.literals.join(", ")}`)
    ),
    ...writeFlags
  },
  Effect.fn("cli.job.run")(function* ({ name, ...write }) {
    const service = yield* Service
    const written = yield* service.command(write, (client, options) => client.job.run({ name }, options))
    const { run: done } = written.answer
    yield* tellWritten(
      written,
      done === undefined ? `${name} would run` : `${name}: ${done.state}`,
      done === undefined ? fields({}) : runFields(done)
    )
    if (done?.state === "failed" || done?.state === "interrupted") {
      return yield* new FaultFound({ message: `${name} ${done.state}: ${done.error ?? "for no reason told"}` })
    }
  })
).pipe(
  Command.withDescription(
    "Run a job of a merchant's database now, and wait for its end. If a run is at work already, this one is skipped. Ends with 5 if it failed"
  ),
  Command.withShortDescription("Run a job now"),
  Command.withExamples([
    { command: "credit-cli job run lot_expiry --merchant acme", description: "Book what has expired" },
    { command: "credit-cli job run partition_creation", description: "Make the ledger's months to come" }
  ])
)

const status = Command.make(
  "status",
  {},
  Effect.fn("cli.job.status")(function* () {
    const service = yield* Service
    const answer = yield* service.query((client, options) => client.job.status({}, options))
    const { driftedAccounts, jobs } = answer
    yield* tell(
      answer,
      stack(
        table(jobColumns, jobs, "No jobs"),
        driftedAccounts === 0
          ? undefined
          : fields({ drift: `${count(driftedAccounts, "account")} not the sum of their entries` })
      )
    )
    const wrong = jobs.find(isAtFault)
    if (wrong !== undefined) {
      return yield* new FaultFound({
        message: `${wrong.name} ${wrong.overdue ? "is overdue" : `failed: ${wrong.lastRun?.error ?? wrong.lastRun?.state}`}`,
        hint: `credit-cli job run ${wrong.name} runs it now`
      })
    }
  })
).pipe(
  Command.withDescription(
    "How a merchant's jobs stand: who runs each, when it last did well, what failed since. Ends with 5 if one is overdue or failed"
  ),
  Command.withShortDescription("How a merchant's jobs stand"),
  Command.withExamples([{ command: "credit-cli job status --merchant acme", description: "All of them" }])
)

export const job = Command.make("job").pipe(
  Command.withDescription("What runs on a schedule in a merchant's database"),
  Command.withSubcommands([run, status])
)
