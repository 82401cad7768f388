import { homedir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { MerchantId } from "@credit/domain/Ids"
import * as Schema from "effect/Schema"
import { UsageProblem } from "../Problem.ts"
import { placeOf } from "../schemaPlace.ts"
import { readToml } from "../toml.ts"
import { readIfThere, refuseIfEverybodyReads } from "./SecretFile.ts"

/** One service and how to get in. */
const Profile = Schema.Struct({
  url: Schema.String.check(
    Schema.makeFilter<string>((url) => URL.canParse(url) && /^https?:/.test(url), {
      expected: "an http:// or https:// address"
    })
  ),
  merchant: Schema.optionalKey(MerchantId),
  /** The token itself: then the file must be for its owner's eyes alone. */
  token: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[!-~]+$/, { expected: "a token" }))),
  /** Or the file that holds it; relative to the configuration's folder, or `~/…`. */
  token_file: Schema.optionalKey(Schema.NonEmptyString)
})
export type Profile = typeof Profile.Type

const ConfigFile = Schema.Struct({
  /** The profile that is used when none is named. */
  default: Schema.optionalKey(Schema.String),
  profiles: Schema.optionalKey(Schema.Record(Schema.String, Profile))
})

/** The configuration of `credit-cli`, as found. */
export interface Config {
  readonly file: string
  readonly exists: boolean
  readonly default: string | undefined
  readonly profiles: Readonly<Record<string, Profile>>
}

type Environment = Readonly<Record<string, string | undefined>>

/** `$XDG_CONFIG_HOME/credit-cli/config.toml`, in `~/.config` unless set. */
export const configPath = (environment: Environment): string =>
  join(environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), ".config"), "credit-cli", "config.toml")

/** Reads the configuration. Throws a {@link UsageProblem} that names the place in it, never a value. */
export const readConfig = async (environment: Environment): Promise<Config> => {
  const file = configPath(environment)
  const found = readIfThere(file)
  if (found === undefined) return { file, exists: false, default: undefined, profiles: {} }
  const document = await readToml(file, found.text)
  const decoded = Schema.decodeUnknownResult(ConfigFile, { onExcessProperty: "error" })(document)
  if (decoded._tag === "Failure") {
    throw new UsageProblem({ message: `${file}: ${placeOf(decoded.failure)}` })
  }
  const { default: byDefault, profiles = {} } = decoded.success
  if (Object.values(profiles).some(({ token }) => token !== undefined)) refuseIfEverybodyReads(file, found)
  return { file, exists: true, default: byDefault, profiles }
}

/** Where a profile's token file is. */
export const tokenFileOf = (config: Config, name: string, environment: Environment): string =>
  name.startsWith("~/") ? join(environment.HOME || homedir(), name.slice(2)) : resolve(dirname(config.file), name)
