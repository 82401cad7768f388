import { join } from "node:path"
import * as Schema from "effect/Schema"
import { UsageProblem } from "../Problem.ts"
import { readIfThere } from "./SecretFile.ts"

/** What `npm start` without a database of its own leaves for scripts: `embedded.json` in its home. */
const Embedded = Schema.fromJsonString(
  Schema.Struct({
    serviceUrl: Schema.String,
    merchants: Schema.Record(Schema.String, Schema.Struct({})),
    operatorToken: Schema.String
  })
)

export interface EmbeddedService {
  readonly file: string
  readonly url: string
  readonly merchants: ReadonlyArray<string>
  readonly operatorToken: string
}

/** The file's place: the same that the service uses when it is started here. */
export const embeddedFile = (environment: Readonly<Record<string, string | undefined>>): string =>
  join(environment.CREDIT_HOME || ".credit", "embedded.json")

/** The embedded service of this folder; `undefined` where there is none. */
export const readEmbedded = (
  environment: Readonly<Record<string, string | undefined>>
): EmbeddedService | undefined => {
  const file = embeddedFile(environment)
  const found = readIfThere(file)
  if (found === undefined) return undefined
  const decoded = Schema.decodeUnknownResult(Embedded)(found.text)
  if (decoded._tag === "Failure" || !URL.canParse(decoded.success.serviceUrl)) {
    throw new UsageProblem({ message: `${file} is not what npm start writes`, hint: "start the service anew" })
  }
  const { merchants, operatorToken, serviceUrl } = decoded.success
  return { file, url: serviceUrl, merchants: Object.keys(merchants), operatorToken }
}
