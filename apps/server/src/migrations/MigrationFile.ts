import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { MigrationFilesInvalid } from "./MigrationError.ts"

/** One step of the schema: `NNNN_name.sql`, run once per database, in one transaction, never edited afterwards. */
export interface MigrationFile {
  /** 1, 2, 3… without a gap. */
  readonly id: number
  readonly name: string
  /** As in the folder: `0001_foundation.sql`. */
  readonly file: string
  readonly sql: string
  /** SHA-256 of the text in lower-case hex; line endings do not count. */
  readonly checksum: string
}

/** The repository's own migrations; the same place seen from `src` and from `dist`. */
export const migrationsDirectory: string = fileURLToPath(new URL("../../../../migrations", import.meta.url))

const fileName = /^([0-9]{4})_([a-z][a-z0-9_]*)\.sql$/

/**
 * Reads a folder of migrations, in order. A file that does not belong, an id twice or one left out is refused: a
 * migration that nobody runs is worse than none. Names that begin with a dot are not looked at.
 */
export const loadMigrations = Effect.fn("Migrations.load")(function* (directory: string = migrationsDirectory) {
  const fs = yield* FileSystem.FileSystem
  const invalid = (problems: ReadonlyArray<string>) => new MigrationFilesInvalid({ directory, problems })
  const unreadable = Effect.mapError((error: PlatformError) => invalid([error.message]))

  const names = (yield* fs.readDirectory(directory).pipe(unreadable)).filter((name) => !name.startsWith(".")).toSorted()
  const problems: Array<string> = []
  const files: Array<MigrationFile> = []
  for (const file of names) {
    const [, id, name] = fileName.exec(file) ?? []
    if (id === undefined || name === undefined) {
      problems.push(`${file} is not named like 0001_name.sql`)
      continue
    }
    const sql = yield* fs.readFileString(`${directory}/${file}`).pipe(unreadable)
    files.push({ id: Number(id), name, file, sql, checksum: checksum(sql) })
  }
  files.forEach((migration, index) => {
    const previous = files[index - 1]?.id ?? 0
    if (migration.id === previous) problems.push(`${migration.file} has the number of another one`)
    else if (migration.id !== previous + 1)
      problems.push(`there is no migration ${previous + 1} before ${migration.file}`)
  })
  if (files.length === 0 && problems.length === 0) problems.push("there are none")
  if (problems.length > 0) return yield* invalid(problems)
  return files
})

const checksum = (sql: string): string =>
  createHash("sha256").update(sql.replaceAll("\r\n", "\n"), "utf8").digest("hex")
