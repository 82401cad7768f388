import type { Api } from "@credit/rpc/Api"
import type { RpcSuccessEncoded } from "@credit/rpc/types"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { present } from "../flags/Checked.ts"
import { pageFlags } from "../flags/Common.ts"
import { confirm, destructiveFlags } from "../flags/Write.ts"
import { Output } from "../output/Output.ts"
import { type Column, table } from "../output/Table.ts"
import { count, duration } from "../output/Words.ts"
import { FaultFound, UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { type DoneOf, follow, type PartsOf } from "./following.ts"
import { tellPage, tellWritten } from "./shared.ts"

const allMerchants = Flag.Boolean("all-merchants").pipe(
  Flag.withoutNegation,
  Flag.withDefault(false),
  Flag.withDescription("Every merchant there is, in place of the one of --merchant")
)

/** Whom a command is about: all, or the merchant that is named. */
const merchantsOf = Effect.fnUntraced(function* (all: boolean) {
  const service = yield* Service
  const { merchant } = yield* service.connection
  if (all) return {}
  if (merchant !== undefined) return { merchantIds: [merchant.value] }
  return yield* new UsageProblem({ message: "No merchant is named", hint: "give --merchant, or --all-merchants" })
})

type RunPart = PartsOf<RpcSuccessEncoded<typeof Api, "Migration.Run">>
type Outcome = DoneOf<RunPart>["merchants"][number]

const words = (part: RunPart): string | undefined => {
  switch (part._tag) {
    case "Waiting":
      return `${part.merchantId}: waits for another runner`
    case "Applying":
      return `${part.merchantId}: ${part.position}/${part.total} ${part.name}`
    case "MerchantDone":
      return `${part.merchantId}: ${part.outcome}`
    case "Working":
      return `at work for ${duration(part.elapsedMillis / 1000)}`
    default:
      return undefined
  }
}

const outcomeColumns: ReadonlyArray<Column<Outcome>> = [
  { title: "merchant", value: ({ merchantId }) => merchantId },
  { title: "outcome", value: ({ outcome }) => outcome },
  { title: "version", value: ({ version }) => version, right: true },
  { title: "applied", value: ({ applied }) => applied.length, right: true },
  { title: "pending", value: ({ pending }) => pending?.length, right: true },
  { title: "problem", value: ({ problem }) => problem, shrink: true }
]

const run = Command.make(
  "run",
  { allMerchants, ...destructiveFlags },
  Effect.fn("cli.migrate.run")(function* ({ allMerchants: all, yes, ...write }) {
    const asked = yield* merchantsOf(all)
    yield* confirm(
      { ...write, yes },
      `Migrate ${asked.merchantIds === undefined ? "every merchant" : asked.merchantIds.join(", ")}? There is no way back`
    )
    const written = yield* follow(write, (client, options) => client.migration.run(asked, options), words)
    const { merchants } = written.answer
    const failed = merchants.filter(({ outcome }) => outcome === "failed")
    const output = yield* Output
    if (!output.json) {
      yield* tellWritten(
        written,
        `${count(merchants.length, "merchant")}, ${failed.length} failed`,
        table(outcomeColumns, merchants, "No merchants")
      )
    }
    const [first] = failed
    if (first !== undefined) {
      return yield* new FaultFound({
        message: `${first.merchantId} was not migrated: ${first.problem ?? "for no reason told"}`,
        hint: `the same command with --idempotency-key ${written.idempotencyKey} goes on with what is missing`
      })
    }
  })
).pipe(
  Command.withDescription(
    "Apply what merchants' databases have not had yet. One merchant's failure stops no other; again, it goes on with what is missing"
  ),
  Command.withShortDescription("Apply what merchants' databases have not had yet"),
  Command.withExamples([
    { command: "credit-cli migrate run --all-merchants --dry-run", description: "What is pending" },
    { command: "credit-cli migrate run --all-merchants --yes", description: "In a deployment" },
    { command: "credit-cli migrate run --merchant acme", description: "One of them" }
  ])
)

type Standing = RpcSuccessEncoded<typeof Api, "Migration.Status">["merchants"][number]

const statusColumns: ReadonlyArray<Column<Standing>> = [
  { title: "merchant", value: ({ merchantId }) => merchantId },
  { title: "version", value: ({ version }) => version, right: true },
  { title: "pending", value: ({ pending }) => pending.length, right: true },
  { title: "served", value: ({ servable }) => (servable ? "yes" : "NO") },
  {
    title: "fault",
    value: ({ fault }) => (fault === undefined ? undefined : `${fault.reason}: ${fault.problem}`),
    shrink: true
  }
]

const status = Command.make(
  "status",
  { allMerchants, ...pageFlags },
  Effect.fn("cli.migrate.status")(function* ({ allMerchants: all, cursor, limit }) {
    const asked = yield* merchantsOf(all)
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.migration.status({ ...asked, limit, ...present({ cursor }) }, options)
    )
    yield* tellPage(page, table(statusColumns, page.merchants, "No merchants"))
    const wrong = page.merchants.find(({ fault, servable }) => fault !== undefined || !servable)
    if (wrong !== undefined) {
      return yield* new FaultFound({
        message: `${wrong.merchantId}: ${wrong.fault?.problem ?? `its database is at ${wrong.version}, and ${page.needed} is needed`}`,
        ...(wrong.fault === undefined ? { hint: "credit-cli migrate run brings it there" } : {})
      })
    }
  })
).pipe(
  Command.withDescription(
    "What merchants' databases have had and still need. Ends with 5 if one cannot be served as it is"
  ),
  Command.withShortDescription("What merchants' databases have had and still need"),
  Command.withExamples([
    { command: "credit-cli migrate status --all-merchants", description: "All of them" },
    { command: "credit-cli migrate status --merchant acme --json", description: "One, in every detail" }
  ])
)

export const migrate = Command.make("migrate").pipe(
  Command.withDescription("The versions of merchants' databases"),
  Command.withSubcommands([run, status])
)
