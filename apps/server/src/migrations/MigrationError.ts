import * as Schema from "effect/Schema"

/** The folder of migrations holds what does not belong there. Nothing was run. */
export class MigrationFilesInvalid extends Schema.TaggedError<MigrationFilesInvalid>()("MigrationFilesInvalid", {
  directory: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The migrations in ${this.directory} cannot be run: ${this.problems.join("; ")}`
  }
}

/**
 * What the database says it has had does not agree with the files. Nothing was run.
 *
 * - `edited`: a file was changed after it was applied
 * - `gap`: one was applied before an earlier one, or a file that was applied is missing
 * - `newer`: the database has had migrations that these files do not know
 */
export class MigrationHistoryInvalid extends Schema.TaggedError<MigrationHistoryInvalid>()("MigrationHistoryInvalid", {
  reason: Schema.Literals(["edited", "gap", "newer"]),
  migrationId: Schema.Int,
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * A migration failed and was rolled back; those before it stay applied. `line` is 1-based in `file`, where PostgreSQL
 * says which part of the text it means: it does for what it cannot parse or resolve, not for what fails as it runs.
 */
export class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  file: Schema.String,
  line: Schema.optionalKey(Schema.Int),
  sqlState: Schema.optionalKey(Schema.String),
  problem: Schema.String,
  detail: Schema.optionalKey(Schema.String),
  hint: Schema.optionalKey(Schema.String),
  /** Where within functions and blocks, as PostgreSQL tells it. */
  context: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const place = this.line === undefined ? this.file : `${this.file}:${this.line}`
    const state = this.sqlState === undefined ? "" : ` (${this.sqlState})`
    const more = [this.detail, this.hint].filter((text) => text !== undefined)
    return [`${place}: ${this.problem}${state}`, ...more].join(". ")
  }
}

/** The database could not be reached, or refused the runner before any migration. */
export class MigrationDatabaseUnavailable extends Schema.TaggedError<MigrationDatabaseUnavailable>()(
  "MigrationDatabaseUnavailable",
  { sqlState: Schema.optionalKey(Schema.String), problem: Schema.String }
) {
  override get message(): string {
    return this.problem
  }
}

export type MigrationError = MigrationHistoryInvalid | MigrationFailed | MigrationDatabaseUnavailable
