import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { TokenMissing, UsageProblem } from "../Problem.ts"
import { type Config, type Profile, readConfig, tokenFileOf } from "./ConfigFile.ts"
import { embeddedFile, readEmbedded } from "./EmbeddedFile.ts"
import { readToken } from "./SecretFile.ts"
import { readClaims, type TokenClaims } from "./TokenClaims.ts"

type Environment = Readonly<Record<string, string | undefined>>

/** What the command line says about the service. */
export interface ConnectionFlags {
  readonly profile: string | undefined
  readonly url: string | undefined
  readonly token: string | undefined
  readonly tokenFile: string | undefined
  readonly merchant: string | undefined
  /** For how long a call is sent again while the service cannot answer. */
  readonly waitSeconds: number
}

/** A setting, and who set it. */
export interface Sourced<A> {
  readonly value: A
  readonly source: string
}

/** Which service, as whom, for which merchant. */
export interface Connection {
  readonly url: Sourced<URL>
  readonly token: Sourced<Redacted.Redacted> | undefined
  readonly claims: TokenClaims | undefined
  readonly merchant: Sourced<string> | undefined
  readonly waitSeconds: number
  /** Nothing was configured and the service of `npm start` was found in this folder. */
  readonly embedded: boolean
  readonly config: Config
}

/** Settings of one source; a token is read from its file only when this source is the one that gives it. */
interface Source {
  readonly name: string
  readonly kind: "flags" | "environment" | "profile"
  readonly url?: string | undefined
  readonly token?: (() => string) | undefined
  readonly merchant?: string | undefined
}

/** The name under which the service of `npm start` can be asked for. */
export const EMBEDDED = "embedded"

/**
 * Puts the settings together: flags, then the environment, then a profile of the configuration file. A profile named by
 * `--profile` is a flag, too, and goes before the environment: who names one means it, whatever an earlier `export` said.
 * Where nothing at all says which service, that of `npm start` in this folder is taken.
 *
 * Throws a {@link UsageProblem}.
 */
export const resolveConnection = async (flags: ConnectionFlags, environment: Environment): Promise<Connection> => {
  const config = await readConfig(environment)
  const given = flagSource(flags)
  const exported = environmentSource(environment)
  const silent = [given, exported].every(({ token, url }) => url === undefined && token === undefined)
  const found = profileSource(flags, environment, config, silent)
  const sources = flags.profile === undefined ? [given, exported, found] : [given, found, exported]
  const present = sources.filter((source) => source !== undefined)
  const urlSource = present.find(({ url }) => url !== undefined)
  const tokenSource = present.find(({ token }) => token !== undefined)
  const merchantSource = present.find(({ merchant }) => merchant !== undefined)
  if (tokenSource?.kind === "profile" && urlSource !== tokenSource) {
    throw new UsageProblem({
      message: `The address is from ${urlSource?.name}, but the token is that of ${tokenSource.name}: it is not sent elsewhere`,
      hint: "give the token of that service as well, or name a profile"
    })
  }
  const token = tokenSource?.token?.()
  return {
    url: { value: serviceUrl(urlSource), source: urlSource?.name ?? "the default" },
    token: token === undefined ? undefined : { value: Redacted.make(token), source: tokenSource?.name ?? "" },
    claims: token === undefined ? undefined : readClaims(token),
    merchant:
      merchantSource?.merchant === undefined
        ? undefined
        : { value: merchantSource.merchant, source: merchantSource.name },
    waitSeconds: flags.waitSeconds,
    embedded: tokenSource?.name === embeddedName,
    config
  }
}

const flagSource = ({ merchant, token, tokenFile, url }: ConnectionFlags): Source => {
  if (token !== undefined && tokenFile !== undefined) {
    throw new UsageProblem({ message: "--token and --token-file are both given: one of them" })
  }
  return {
    name: "the command line",
    kind: "flags",
    url,
    token: tokenFile === undefined ? constant(token) : () => readToken(tokenFile),
    merchant
  }
}

const environmentSource = (environment: Environment): Source => ({
  name: "the environment",
  kind: "environment",
  url: environment.CREDIT_SERVICE_URL || undefined,
  token: constant(environment.CREDIT_SERVICE_JWT || undefined),
  merchant: environment.DEFAULT_MERCHANT_ID || undefined
})

const constant = (token: string | undefined) => (token === undefined ? undefined : () => token)

const profileSource = (
  flags: ConnectionFlags,
  environment: Environment,
  config: Config,
  silent: boolean
): Source | undefined => {
  const name = flags.profile ?? (environment.CREDIT_PROFILE || config.default)
  if (name === undefined) return silent ? embeddedSource(environment) : undefined
  const profile = config.profiles[name]
  if (profile !== undefined) return namedSource(name, profile, config, environment)
  const embedded = name === EMBEDDED ? embeddedSource(environment) : undefined
  if (embedded !== undefined) return embedded
  const known = Object.keys(config.profiles)
  throw new UsageProblem(
    name === EMBEDDED
      ? { message: `There is no ${embeddedFile(environment)}`, hint: "start the service here with npm start" }
      : {
          message: `${config.file} has no profile ${name}`,
          ...(known.length === 0 ? {} : { hint: `it has ${known.join(", ")}` })
        }
  )
}

const namedSource = (name: string, profile: Profile, config: Config, environment: Environment): Source => {
  const { token, token_file, merchant, url } = profile
  if (token !== undefined && token_file !== undefined) {
    throw new UsageProblem({ message: `${config.file}: profile ${name} has both token and token_file: one of them` })
  }
  return {
    name: `profile ${name}`,
    kind: "profile",
    url,
    token: token_file === undefined ? constant(token) : () => readToken(tokenFileOf(config, token_file, environment)),
    merchant
  }
}

const embeddedName = `profile ${EMBEDDED}`

/** The embedded service, as its operator, who may do everything for every merchant. */
const embeddedSource = (environment: Environment): Source | undefined => {
  const embedded = readEmbedded(environment)
  if (embedded === undefined) return undefined
  const { merchants, operatorToken, url } = embedded
  return {
    name: embeddedName,
    kind: "profile",
    url,
    token: () => operatorToken,
    merchant: merchants[0]
  }
}

const serviceUrl = (source: Source | undefined): URL => {
  const text = source?.url ?? "http://localhost:3000"
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageProblem({ message: `The service's address (from ${source?.name}) is no http:// or https:// URL` })
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageProblem({
      message: `The service's address (from ${source?.name}) has credentials in it`,
      hint: "the token goes into --token-file, CREDIT_SERVICE_JWT or a profile"
    })
  }
  return url
}

/** The token, or what to do about its absence. */
export const requireToken = ({ token }: Connection): Effect.Effect<Redacted.Redacted, TokenMissing> =>
  token === undefined
    ? Effect.fail(
        new TokenMissing({
          message: "There is no token",
          hint: "set CREDIT_SERVICE_JWT, give --token-file, or name a --profile; credit-cli doctor shows what was found"
        })
      )
    : Effect.succeed(token.value)
