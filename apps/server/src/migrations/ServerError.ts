import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { MigrationFailed } from "./MigrationError.ts"
import type { MigrationFile } from "./MigrationFile.ts"

/** What PostgreSQL's error response says; the driver keeps it as the cause's properties. */
const ServerError = Schema.Struct({
  message: Schema.String,
  code: Schema.optional(Schema.String),
  detail: Schema.optional(Schema.String),
  hint: Schema.optional(Schema.String),
  /** A character of the text that EXECUTE was given, 1-based. */
  internalPosition: Schema.optional(Schema.NumberFromString),
  where: Schema.optional(Schema.String)
})

/** The server's own words on a failure; the driver's when the server had none. */
export const serverError = (error: SqlError): typeof ServerError.Type =>
  Option.getOrElse(Schema.decodeUnknownOption(ServerError)(error.reason.cause), () => ({ message: error.message }))

/** Says which file failed and, where PostgreSQL points into its text, the line. */
export const migrationFailed = (migration: MigrationFile, error: SqlError): MigrationFailed => {
  const { code, detail, hint, internalPosition, message, where } = serverError(error)
  const line = internalPosition === undefined ? undefined : lineAt(migration.sql, internalPosition)
  const context = where === undefined ? undefined : withoutScript(where)
  return new MigrationFailed({
    file: migration.file,
    problem: message,
    ...(line === undefined ? {} : { line }),
    ...(code === undefined ? {} : { sqlState: code }),
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
    ...(context === undefined || context === "" ? {} : { context })
  })
}

/** PostgreSQL counts characters, not UTF-16 units. */
const lineAt = (sql: string, position: number): number =>
  Array.from(sql)
    .slice(0, position - 1)
    .filter((character) => character === "\n").length + 1

/** The context ends with the statement the runner gave, which is the whole file. */
const withoutScript = (where: string): string => where.split('SQL statement "')[0]?.trim() ?? ""
