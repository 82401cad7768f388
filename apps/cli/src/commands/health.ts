import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { askHealth, type HealthReport, merchantsOf, statusOf } from "../health.ts"
import { type Block, fields, stack } from "../output/Block.ts"
import { table } from "../output/Table.ts"
import { FaultFound } from "../Problem.ts"
import { tell } from "./shared.ts"

export const health = Command.make(
  "health",
  {},
  Effect.fn("cli.health")(function* () {
    const report = yield* askHealth
    yield* tell(report.body, block(report))
    const unwell = merchantsOf(report.body).find(({ status }) => status === "unhealthy")
    if (report.status === 200 && statusOf(report) === "healthy") return
    return yield* new FaultFound({
      message:
        unwell === undefined
          ? `The service is ${statusOf(report)}`
          : `${unwell.merchantId} is unhealthy: ${unwell.detail ?? "nothing more is told"}`
    })
  })
).pipe(
  Command.withDescription(
    "Whether the service is up, and how it is; to an operator also every merchant, to an admin its own. Ends with 5 if it is not healthy"
  ),
  Command.withExamples([
    { command: "credit-cli health", description: "How the service is" },
    { command: "credit-cli health --json | jq -e '.status == \"healthy\"'", description: "For a script" }
  ])
)

const block = ({ body, millis }: HealthReport): Block => {
  const merchants = merchantsOf(body)
  return stack(
    fields({ ...flat(body, ""), answered: `in ${Math.round(millis)} ms` }),
    merchants.length === 0
      ? undefined
      : table(
          [
            { title: "merchant", value: ({ merchantId }) => merchantId },
            { title: "status", value: ({ status }) => status },
            { title: "", value: ({ detail }) => detail ?? "", shrink: true }
          ],
          merchants,
          ""
        )
  )
}

/** Whatever the service tells about itself, one value a line; lists of things have tables of their own. */
const flat = (value: unknown, path: string): Readonly<Record<string, string>> => {
  if (Array.isArray(value)) return {}
  return typeof value === "object" && value !== null
    ? Object.assign(
        {},
        ...Object.entries(value).map(([key, inner]) => flat(inner, path === "" ? key : `${path} ${key}`))
      )
    : { [path]: `${value}` }
}
