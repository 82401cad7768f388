import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { askHealth } from "../health.ts"
import { type Block, fields } from "../output/Block.ts"
import { FaultFound } from "../Problem.ts"
import { tell } from "./shared.ts"

export const health = Command.make(
  "health",
  {},
  Effect.fn("cli.health")(function* () {
    const report = yield* askHealth
    yield* tell(report.body, block(report.body, report.millis))
    if (report.status !== 200 || !isHealthy(report.body)) {
      return yield* new FaultFound({ message: "The service is not healthy" })
    }
  })
).pipe(
  Command.withDescription("Whether the service is up, and how it is. With an admin's token it says more"),
  Command.withExamples([
    { command: "credit-cli health", description: "How the service is" },
    { command: "credit-cli health --json | jq -e '.status == \"healthy\"'", description: "For a script" }
  ])
)

const isHealthy = (body: unknown): boolean => Predicate.hasProperty(body, "status") && body.status === "healthy"

const block = (body: unknown, millis: number): Block =>
  fields({ ...flat(body, ""), answered: `in ${Math.round(millis)} ms` })

/** Whatever the service tells about itself, one value a line. */
const flat = (value: unknown, path: string): Readonly<Record<string, string>> =>
  typeof value === "object" && value !== null
    ? Object.assign(
        {},
        ...Object.entries(value).map(([key, inner]) => flat(inner, path === "" ? key : `${path} ${key}`))
      )
    : { [path]: `${value}` }
