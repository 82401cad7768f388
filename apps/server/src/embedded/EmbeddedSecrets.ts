import { randomBytes } from "node:crypto"
import { link, open, readFile, rename, unlink } from "node:fs/promises"
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

const fileOf = (home: string) => join(home, "secrets.json")

/** The secrets of a home; `undefined` where no service has been started yet. */
export const readSecrets = Effect.fnUntraced(function* (home: string) {
  const file = fileOf(home)
  const text = yield* attempt(home, () => readFile(file, "utf8").catch(undefinedIfMissing))
  if (text === undefined) return undefined
  return yield* Schema.decodeUnknownEffect(SecretsFile)(text).pipe(
    Effect.mapError(
      () => new HomeUnusable({ home, problem: `${file} is damaged: restore it, or remove ${home} to start empty` })
    )
  )
})

/** The secrets of a home, made on its first start; of two first starts at once both use the same. Mode 0600. */
export const embeddedSecrets = Effect.fnUntraced(function* (home: string) {
  const present = yield* readSecrets(home)
  if (present !== undefined) return present
  const fresh = join(home, `secrets.${process.pid}.new`)
  yield* writePrivately(home, fresh, {
    jwtSecret: randomBytes(48).toString("base64url"),
    databasePassword: randomBytes(24).toString("hex")
  } satisfies EmbeddedSecrets)
  // A link is made only where there is none: whoever came first is read by all.
  yield* attempt(home, () => link(fresh, fileOf(home)).catch(undefinedIfThere))
  yield* attempt(home, () => unlink(fresh))
  const made = yield* readSecrets(home)
  return made ?? (yield* new HomeUnusable({ home, problem: "its secrets were removed while it started" }))
})

const undefinedIfThere = (cause: unknown): undefined => {
  if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return undefined
  throw cause
}

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
