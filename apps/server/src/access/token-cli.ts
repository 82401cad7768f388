import type { Role } from "@credit/rpc/Access"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SettingsInvalid, settings } from "../config/Settings.ts"
import { readSecrets } from "../embedded/EmbeddedSecrets.ts"
import { homeDirectory } from "../embedded/homeDirectory.ts"
import { exitCode, reportFailure } from "../process.ts"
import { signToken, type TokenRequest } from "./signToken.ts"
import { type TokenField, tokenRequest } from "./tokenRequest.ts"

const flags = {
  role: Flag.Literals("role", ["operator", "app", "admin", "user"]).pipe(Flag.withDescription("What the token may do")),
  sub: Flag.String("sub").pipe(Flag.optional, Flag.withDescription("An operator's name; it stands in the audit log")),
  merchant: Flag.String("merchant").pipe(
    Flag.optional,
    Flag.withDescription("The merchant of an app, admin or user token")
  ),
  user: Flag.String("user").pipe(Flag.optional, Flag.withDescription("The one user of a user token")),
  ttl: Flag.String("ttl").pipe(
    Flag.withSchema(Schema.DurationFromString),
    Flag.optional,
    Flag.withDescription('How long it lives, such as "12 hours" or "30 days"')
  )
}

interface Asked {
  readonly role: Role
  readonly sub: Option.Option<string>
  readonly merchant: Option.Option<string>
  readonly user: Option.Option<string>
  readonly ttl: Option.Option<Duration.Duration>
}

/** Under which flag a part of a token is given. */
const FLAGS: Readonly<Record<TokenField, string>> = {
  role: "--role",
  merchantId: "--merchant",
  subject: "--sub",
  userId: "--user",
  lifetimeSeconds: "--ttl"
}

/** What the flags ask for, or in one line what is wrong with them. */
const readRequest = ({ merchant, role, sub, ttl, user }: Asked): TokenRequest | string => {
  const request = tokenRequest({
    role,
    merchantId: Option.getOrUndefined(merchant),
    subject: Option.getOrUndefined(sub),
    userId: Option.getOrUndefined(user),
    lifetimeSeconds: Option.getOrUndefined(Option.map(ttl, (it) => Math.floor(Duration.toSeconds(it))))
  })
  return "field" in request ? `${FLAGS[request.field]}: ${request.problem}` : request
}

/** The secret of the service that `npm start` brought up here, if one has. */
const localSecret = Effect.gen(function* () {
  const secrets = yield* readSecrets(yield* homeDirectory)
  return secrets && Redacted.make(secrets.jwtSecret)
})

/** Signs a token with the local secret and prints it: the first operator's token comes from here. */
const printToken = Effect.fn("token")(function* (asked: Asked) {
  const problem = (text: string) => new SettingsInvalid({ problems: [text] })
  const secret = Option.getOrUndefined(yield* settings.jwtSecret) ?? (yield* localSecret)
  if (secret === undefined) return yield* problem("JWT_SECRET is missing: the secret of the service that is to take it")
  if (Buffer.byteLength(Redacted.value(secret)) < 32)
    return yield* problem("JWT_SECRET is too short: at least 32 bytes")
  const request = readRequest(asked)
  if (typeof request === "string") return yield* problem(request)
  const issuer = { secret, issuer: yield* settings.jwtIssuer, audience: yield* settings.jwtAudience }
  yield* Console.log(yield* signToken(request, issuer))
}, reportFailure)

const token = Command.make("token", flags, printToken).pipe(
  Command.withDescription("Signs a token with JWT_SECRET, or with the secret of the service that npm start brought up"),
  Command.withExamples([
    { command: "npm run token -- --role operator --sub ada", description: "An operator's token for a day's work" },
    { command: "npm run token -- --role app --merchant acme --ttl '30 days'", description: "An application's token" }
  ])
)

Command.run(token, { version: "1" }).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: exitCode })
)
