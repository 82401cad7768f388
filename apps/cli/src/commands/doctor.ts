import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Connection } from "../connection/Connection.ts"
import { explain } from "../explain.ts"
import { askHealth, type HealthReport, statusOf } from "../health.ts"
import { type Block, fields, stack } from "../output/Block.ts"
import { count, duration } from "../output/Words.ts"
import { FaultFound } from "../Problem.ts"
import { Service } from "../Service.ts"
import { VERSION } from "../version.ts"
import { isAtFault } from "./jobs.ts"
import { tell } from "./shared.ts"

/** What one look found. */
interface Finding {
  readonly name: string
  readonly state: "ok" | "warning" | "fault"
  readonly said: string
}

const finding = (name: string, state: Finding["state"], said: string): Finding => ({ name, state, said })

/** Beyond this the service refuses times of callers as too far ahead. */
const MOST_SKEW_SECONDS = 5 * 60

const lookAtConfiguration = ({ config, merchant, token, url }: Connection): ReadonlyArray<Finding> => [
  finding("configuration", "ok", config.exists ? config.file : `no ${config.file}`),
  finding(
    "address",
    plainHttp(url.value) ? "warning" : "ok",
    `${url.value.href} (from ${url.source})${plainHttp(url.value) ? ": the token travels in the clear" : ""}`
  ),
  token === undefined
    ? finding("token", "fault", "none: set CREDIT_SERVICE_JWT, give --token-file, or name a --profile")
    : finding("token", "ok", `from ${token.source}`),
  finding(
    "merchant",
    "ok",
    merchant === undefined ? "none named: the token's own" : `${merchant.value} (from ${merchant.source})`
  )
]

const plainHttp = ({ hostname, protocol }: URL): boolean =>
  protocol === "http:" && !/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)

/** What the token says about itself; whether it is true, the service tells. */
const lookAtToken = ({ claims, token }: Connection): ReadonlyArray<Finding> => {
  if (token === undefined) return []
  if (claims === undefined) return [finding("claims", "fault", "the token is no JWT")]
  const { exp, role, sub } = claims
  const left = exp === undefined ? undefined : exp - Date.now() / 1000
  const who = `${role ?? "no role"} ${sub ?? ""}`.trim()
  if (left === undefined) return [finding("claims", "warning", `${who}, without an end`)]
  if (left <= 0) return [finding("claims", "fault", `${who}, expired ${duration(left)} ago`)]
  return [finding("claims", left < 86_400 ? "warning" : "ok", `${who}, valid for another ${duration(left)}`)]
}

const lookAtHealth = (report: HealthReport): ReadonlyArray<Finding> => {
  const { body, date, millis } = report
  const said = statusOf(report)
  const version = Predicate.hasProperty(body, "version") ? `${body.version}` : "unknown"
  const skew = date === null ? undefined : (Date.parse(date) - Date.now()) / 1000
  return [
    finding(
      "service",
      said === "healthy" ? "ok" : said === "degraded" ? "warning" : "fault",
      `${said}, in ${Math.round(millis)} ms`
    ),
    finding("versions", "ok", `credit-cli ${VERSION}, service ${version}`),
    ...(skew === undefined
      ? []
      : [
          finding(
            "clock",
            Math.abs(skew) > MOST_SKEW_SECONDS ? "fault" : Math.abs(skew) > 10 ? "warning" : "ok",
            // The service tells whole seconds.
            Math.abs(skew) < 2
              ? "this machine's agrees with the service's"
              : `this machine's is ${duration(skew)} ${skew > 0 ? "behind" : "ahead of"} the service's`
          )
        ])
  ]
}

/** Asks as little as can be asked with a token: whether it is accepted, and the merchant is served. */
const lookAtAccess = Effect.gen(function* () {
  const service = yield* Service
  yield* service.query((client, options) => client.getUserBalance({ userId: "credit-cli-doctor" }, options))
  return finding("access", "ok", "the service accepts the token and serves the merchant")
}).pipe(
  Effect.catch((problem) => {
    const { hint, message } = explain(problem)
    return Effect.succeed(finding("access", "fault", hint === undefined ? message : `${message}; ${hint}`))
  })
)

/** What only an operator's or admin's token may ask: jobs, and the setup of the merchant's database. */
const lookAtMerchant = ({ claims }: Connection) =>
  Effect.gen(function* () {
    const service = yield* Service
    const findings: Array<Finding> = []
    if (claims?.role === "operator") {
      const { jobs } = yield* service.query((client, options) => client.job.status({}, options))
      const wrong = jobs.filter(isAtFault)
      findings.push(
        wrong.length === 0
          ? finding("jobs", "ok", `${count(jobs.length, "job")}, none overdue or failed`)
          : finding(
              "jobs",
              "fault",
              `${wrong.map(({ name }) => name).join(", ")} overdue or failed: credit-cli job status`
            )
      )
    }
    if (claims?.role === "operator" || claims?.role === "admin") {
      const { checks } = yield* service.query((client, options) => client.merchant.status({}, options))
      findings.push(...checks.map(({ check, detail, ok }) => finding(`db ${check}`, ok ? "ok" : "warning", detail)))
    }
    return findings
  }).pipe(Effect.catch((problem) => Effect.succeed([finding("merchant's setup", "fault", explain(problem).message)])))

const examine = Effect.gen(function* () {
  const service = yield* Service
  const connection = yield* service.connection
  const health = yield* Effect.match(askHealth, {
    onSuccess: lookAtHealth,
    onFailure: (problem) => [finding("service", "fault", problem.message)]
  })
  const reachable = !health.some(({ name, state }) => name === "service" && state === "fault")
  const access = reachable && connection.token !== undefined ? [yield* lookAtAccess] : []
  const setup = access.some(({ state }) => state === "ok") ? yield* lookAtMerchant(connection) : []
  return [...lookAtConfiguration(connection), ...lookAtToken(connection), ...health, ...access, ...setup]
})

const block =
  (findings: ReadonlyArray<Finding>): Block =>
  (style) =>
    fields(Object.fromEntries(findings.map(({ name, said, state }) => [name, `${MARKS[state]} ${said}`])))(style)

const MARKS = { ok: "ok     ", warning: "warning", fault: "FAULT  " } as const

export const doctor = Command.make(
  "doctor",
  {},
  Effect.fn("cli.doctor")(function* () {
    const findings = yield* examine
    yield* tell({ findings }, stack(block(findings)))
    const faults = findings.filter(({ state }) => state === "fault")
    const [first] = faults
    if (first !== undefined) {
      return yield* new FaultFound({ message: `${first.name}: ${first.said}` })
    }
  })
).pipe(
  Command.withDescription(
    "Look at everything between you and the service, and behind it: configuration, address, token, clock, versions, access; with an operator's token also jobs, partitions and the setup of the merchant's database. Ends with 5 if something is not as it must be"
  ),
  Command.withShortDescription("Look at everything between you and the service"),
  Command.withExamples([
    { command: "credit-cli doctor", description: "When something does not work" },
    { command: "credit-cli doctor --profile production --json", description: "For a script" }
  ])
)
