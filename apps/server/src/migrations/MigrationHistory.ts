import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { MigrationHistoryInvalid } from "./MigrationError.ts"
import type { MigrationFile } from "./MigrationFile.ts"

/** A row of `public.migrations`: what a database has had. */
export const AppliedMigration = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  checksum: Schema.String,
  applied_at: Schema.Date,
  duration_ms: Schema.Int
})
export type AppliedMigration = typeof AppliedMigration.Type

/** Whether a server that carries `files` can serve a database. A newer database can be served: migrations expand first. */
export type Version =
  | { readonly _tag: "Ok"; readonly database: number }
  | { readonly _tag: "Behind"; readonly database: number; readonly needed: number }

/** The newest migration a database has had (0: none) against the newest of the files. */
export const checkVersion = (
  rows: ReadonlyArray<Pick<AppliedMigration, "id">>,
  files: ReadonlyArray<Pick<MigrationFile, "id">>
): Version => {
  const newest = (all: ReadonlyArray<{ readonly id: number }>) => all.reduce((most, { id }) => Math.max(most, id), 0)
  const [database, needed] = [newest(rows), newest(files)]
  return database >= needed ? { _tag: "Ok", database } : { _tag: "Behind", database, needed }
}

/** The files a database has not had yet, in order; refuses a history that these files do not continue. */
export const pendingMigrations = (
  rows: ReadonlyArray<AppliedMigration>,
  files: ReadonlyArray<MigrationFile>
): Effect.Effect<ReadonlyArray<MigrationFile>, MigrationHistoryInvalid> => {
  const refuse = (reason: MigrationHistoryInvalid["reason"], migrationId: number, problem: string) =>
    Effect.fail(new MigrationHistoryInvalid({ reason, migrationId, problem }))
  const ordered = rows.toSorted((a, b) => a.id - b.id)
  for (const [index, row] of ordered.entries()) {
    const due = index + 1
    if (row.id !== due) return refuse("gap", due, `Migration ${due} was never applied although ${row.id} was`)
    const file = files.find(({ id }) => id === row.id)
    if (file === undefined) {
      return refuse(
        "newer",
        row.id,
        `The database has migration ${row.id} (${row.name}), which is newer than these files`
      )
    }
    if (file.name !== row.name || file.checksum !== row.checksum) {
      return refuse(
        "edited",
        row.id,
        `${file.file} is not what was applied as ${row.id} (${row.name}): restore it and put the change in a new migration`
      )
    }
  }
  return Effect.succeed(files.filter(({ id }) => id > ordered.length))
}
