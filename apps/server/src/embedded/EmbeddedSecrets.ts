import { randomBytes } from "node:crypto"
import { open, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { HomeUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, syncDirectory, undefinedIfMissing } from "./Home.ts"

/** What the embedded service made up for itself and must find again. */
const Secrets = Schema.Struct({
  /** Signs tokens where the environment names no `JWT_SECRET`. */
  jwtSecret: Schema.String,
  /** One for all logins of the merchants' databases is as good as many: they live in this file together. */
  databasePassword: Schema.String
})
export type EmbeddedSecrets = typeof Secrets.Type

const SecretsFile = Schema.fromJsonString(Secrets)

/** The secrets of a home, made on its first start. The file's mode is 0600. */
export const embeddedSecrets = Effect.fnUntraced(function* (home: string) {
  const file = join(home, "secrets.json")
  const text = yield* attempt(home, () => readFile(file, "utf8").catch(undefinedIfMissing))
  if (text !== undefined) {
    return yield* Schema.decodeUnknownEffect(SecretsFile)(text).pipe(
      Effect.mapError(
        () => new HomeUnusable({ home, problem: `${file} is damaged: restore it, or remove ${home} to start empty` })
      )
    )
  }
  const secrets: EmbeddedSecrets = {
    jwtSecret: randomBytes(48).toString("base64url"),
    databasePassword: randomBytes(24).toString("hex")
  }
  yield* writePrivately(home, file, secrets)
  return secrets
})

/** Replaces a JSON file in one step; nobody but its owner reads it. */
export const writePrivately = (home: string, file: string, content: object): Effect.Effect<void, HomeUnusable> =>
  attempt(home, async () => {
    const fresh = `${file}.new`
    const handle = await open(fresh, "w", 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(content, undefined, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, file)
    await syncDirectory(home)
  })
