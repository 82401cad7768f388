import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Schema from "effect/Schema"

/** Where the replay goes, and as whom. */
export interface Target {
  readonly url: string
  readonly token: string
}

/** The command line asks for what cannot be; the message is one line for people. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** What `npm start` without a database of its own leaves for scripts: `embedded.json` in its home. */
const Embedded = Schema.fromJsonString(
  Schema.Struct({
    serviceUrl: Schema.String,
    merchants: Schema.Record(Schema.String, Schema.Struct({ tokens: Schema.Struct({ app: Schema.String }) }))
  })
)

/** The service that the command line names, else the embedded one. */
export const findTarget = (
  given: { readonly url: string | undefined; readonly token: string | undefined; readonly merchant: string },
  environment: Readonly<Record<string, string | undefined>>
): Target => {
  if (given.url !== undefined && given.token !== undefined) return { url: given.url, token: given.token }
  const file = join(environment.CREDIT_HOME ?? ".credit", "embedded.json")
  const embedded = readEmbedded(file)
  const merchant = embedded.merchants[given.merchant]
  if (given.token === undefined && merchant === undefined) {
    const known = Object.keys(embedded.merchants).join(", ")
    throw new UsageError(`${file} knows no merchant ${given.merchant}, but: ${known}`)
  }
  return { url: given.url ?? embedded.serviceUrl, token: given.token ?? merchant?.tokens.app ?? "" }
}

const readEmbedded = (file: string): typeof Embedded.Type => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch {
    throw new UsageError(`There is no ${file}: start the service with npm start, or give --url and --token`)
  }
  const decoded = Schema.decodeUnknownResult(Embedded)(text)
  if (decoded._tag === "Failure") throw new UsageError(`${file} is not what npm start writes: start the service anew`)
  return decoded.success
}
