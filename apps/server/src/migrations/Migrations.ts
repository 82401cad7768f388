import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { MigrationDatabaseUnavailable, type MigrationError, type MigrationHistoryInvalid } from "./MigrationError.ts"
import type { MigrationFile } from "./MigrationFile.ts"
import { AppliedMigration, pendingMigrations } from "./MigrationHistory.ts"
import { migrationFailed, serverError } from "./ServerError.ts"

/** What a runner is doing, as it goes. */
export type MigrationProgress =
  /** Another runner is at work on this database; this one takes its turn. */
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Started"; readonly migration: MigrationFile; readonly position: number; readonly total: number }
  | {
      readonly _tag: "Applied"
      readonly migration: MigrationFile
      readonly position: number
      readonly total: number
      readonly durationMillis: number
    }

/** What a run has done; `applied` is empty when there was nothing to do. */
export interface MigrationReport {
  readonly applied: ReadonlyArray<{ readonly id: number; readonly name: string; readonly durationMillis: number }>
  /** The newest migration the database now has. */
  readonly version: number
}

export interface MigrateOptions {
  /** The owner's URL, straight to the server: the runner's lock belongs to its session, which a pooler would share. */
  readonly url: Redacted.Redacted
  readonly files: ReadonlyArray<MigrationFile>
  readonly onProgress?: (progress: MigrationProgress) => Effect.Effect<void>
  /** Whether the run may go on: the first thing in the transaction of every file. */
  readonly mayGoOn?: (connection: PgConnection.PgConnection) => Effect.Effect<boolean, SqlError>
}

/**
 * Applies what a database has not had yet, in order, each file and its record in one transaction. Two runners at once
 * are safe: the second waits, then finds nothing to do. Fails on a history that the files do not continue, before
 * anything is run, and at the first file that fails, which leaves no trace.
 */
export const migrate = Effect.fn("Migrations.migrate")(function* (options: MigrateOptions) {
  const connection = yield* connect(options.url)
  const onProgress = options.onProgress ?? (() => Effect.void)
  yield* takeTurn(connection, onProgress)
  const rows = yield* appliedMigrations(connection)
  const pending = yield* pendingMigrations(rows, options.files)
  if (rows.length === 0) yield* makeTable(connection)
  const applied: Array<MigrationReport["applied"][number]> = []
  for (const [index, migration] of pending.entries()) {
    const place = { migration, position: index + 1, total: pending.length }
    yield* onProgress({ _tag: "Started", ...place })
    const durationMillis = yield* apply(connection, migration, options.mayGoOn ?? (() => Effect.succeed(true)))
    yield* onProgress({ _tag: "Applied", ...place, durationMillis })
    applied.push({ id: migration.id, name: migration.name, durationMillis })
  }
  return { applied, version: rows.length + applied.length } satisfies MigrationReport
}, Effect.scoped)

export interface MigrationTarget {
  readonly merchantId: string
  readonly url: Redacted.Redacted
}

/** How it went for one merchant. */
export interface MigrationOutcome {
  readonly merchantId: string
  readonly result: Result.Result<MigrationReport, MigrationError>
}

/**
 * Migrates many databases, `concurrency` at a time (4 unless given); one that fails does not stop the others. Outcomes
 * are in the order of the targets.
 */
export const migrateAll = Effect.fn("Migrations.migrateAll")(function* (
  targets: ReadonlyArray<MigrationTarget>,
  options: {
    readonly files: ReadonlyArray<MigrationFile>
    readonly concurrency?: number
    readonly onProgress?: (merchantId: string, progress: MigrationProgress) => Effect.Effect<void>
  }
) {
  const { concurrency = 4, files, onProgress = () => Effect.void } = options
  return yield* Effect.forEach(
    targets,
    ({ merchantId, url }) =>
      migrate({ url, files, onProgress: (progress) => onProgress(merchantId, progress) }).pipe(
        Effect.result,
        Effect.map((result): MigrationOutcome => ({ merchantId, result }))
      ),
    { concurrency }
  )
})

export interface MigrationStatus {
  readonly applied: ReadonlyArray<AppliedMigration>
  readonly pending: ReadonlyArray<MigrationFile>
  /** Why the files do not continue what was applied; then nothing is pending. */
  readonly fault?: MigrationHistoryInvalid
}

/** What a database has had and what it still needs; changes nothing. The runtime role may ask. */
export const migrationStatus = Effect.fn("Migrations.status")(function* (
  options: Pick<MigrateOptions, "url" | "files">
) {
  const connection = yield* connect(options.url)
  const applied = yield* appliedMigrations(connection)
  return yield* Effect.match(pendingMigrations(applied, options.files), {
    onSuccess: (pending): MigrationStatus => ({ applied, pending }),
    onFailure: (fault): MigrationStatus => ({ applied, pending: [], fault })
  })
}, Effect.scoped)

/**
 * Lets a login serve the database of `url`: CONNECT here, and membership in `credit_runtime` where it has none. May be
 * repeated. The owner may grant CONNECT; the role only who created it, or an administrator.
 */
export const grantRuntime = Effect.fn("Migrations.grantRuntime")(function* (options: {
  readonly url: Redacted.Redacted
  readonly login: string
}) {
  const connection = yield* connect(options.url)
  // CONNECT first: the owner may grant that, and the role perhaps not. A login that is a member already needs no more.
  for (const statement of [
    "SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text) AS sql",
    `SELECT format('GRANT credit_runtime TO %I', $1::text) AS sql
     WHERE NOT EXISTS (
       SELECT FROM pg_auth_members AS m
       WHERE m.roleid = 'credit_runtime'::regrole AND m.member = to_regrole(quote_ident($1::text))
     )`
  ]) {
    yield* connection.query(statement, [options.login]).pipe(
      Effect.flatMap(({ rows }) => Schema.decodeUnknownEffect(Schema.Array(Statement))(rows)),
      // PostgreSQL answers format() with a text: anything else is a defect.
      Effect.catchTag("SchemaError", Effect.die),
      Effect.flatMap((statements) => Effect.forEach(statements, ({ sql }) => connection.query(sql))),
      Effect.catchTag("SqlError", unavailable)
    )
  }
}, Effect.scoped)

const Statement = Schema.Struct({ sql: Schema.String })

const unavailable = (error: SqlError) => {
  const { code, message } = serverError(error)
  return Effect.fail(
    new MigrationDatabaseUnavailable({ problem: message, ...(code === undefined ? {} : { sqlState: code }) })
  )
}

/** A session of the runner's own: no timeouts a role may have been given, nothing found by search path. */
const connect = Effect.fnUntraced(
  function* (url: Redacted.Redacted) {
    const connection = yield* PgConnection.make({ url, applicationName: "credit-migrations", prepare: false })
    yield* connection.query(
      `SELECT set_config(name, value, false) FROM (VALUES
      ('search_path', ''), ('timezone', 'UTC'), ('statement_timeout', '0'), ('lock_timeout', '0'),
      ('idle_in_transaction_session_timeout', '0')) AS settings (name, value)`
    )
    return connection
  },
  Effect.catchTag("SqlError", unavailable)
)

/** Holds the database's runner lock (1129465156, 1) until the session ends. */
const takeTurn = Effect.fnUntraced(
  function* (connection: PgConnection.PgConnection, onProgress: (progress: MigrationProgress) => Effect.Effect<void>) {
    const { rows } = yield* connection.query("SELECT pg_try_advisory_lock(1129465156, 1) AS taken")
    if (rows[0]?.taken === true) return
    yield* onProgress({ _tag: "Waiting" })
    yield* connection.query("SELECT pg_advisory_lock(1129465156, 1)::text")
  },
  Effect.catchTag("SqlError", unavailable)
)

/** Empty for a database without the table: it has had nothing. */
const appliedMigrations = Effect.fnUntraced(
  function* (connection: PgConnection.PgConnection) {
    const table = yield* connection.query("SELECT to_regclass('public.migrations') IS NOT NULL AS present")
    if (table.rows[0]?.present !== true) return []
    const { rows } = yield* connection.query(
      "SELECT id, name, checksum, applied_at, duration_ms FROM public.migrations ORDER BY id"
    )
    return yield* Schema.decodeUnknownEffect(Schema.Array(AppliedMigration))(rows)
  },
  Effect.catchTags({
    SqlError: unavailable,
    SchemaError: (error) =>
      Effect.fail(
        new MigrationDatabaseUnavailable({ problem: `public.migrations is not the runner's: ${error.message}` })
      )
  })
)

const makeTable = (connection: PgConnection.PgConnection) =>
  connection
    .query(
      `CREATE TABLE IF NOT EXISTS public.migrations (
        id integer PRIMARY KEY CHECK (id >= 1),
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL,
        duration_ms integer NOT NULL
      )`
    )
    .pipe(Effect.catchTag("SqlError", unavailable))

/**
 * Runs one file and records it. The driver takes one statement per call, so the server runs the text: EXECUTE in a DO
 * block takes many, whatever quotes and semicolons they hold, and refuses transaction control among them.
 */
const apply = Effect.fnUntraced(
  function* (
    connection: PgConnection.PgConnection,
    migration: MigrationFile,
    mayGoOn: NonNullable<MigrateOptions["mayGoOn"]>
  ) {
    const startedAt = yield* Clock.currentTimeMillis
    yield* connection.query("BEGIN")
    if (!(yield* mayGoOn(connection))) {
      return yield* new MigrationDatabaseUnavailable({ problem: "another run of the same command has taken over" })
    }
    yield* connection.query("SELECT set_config('credit.migration', $1, true) IS NULL AS unset", [migration.sql])
    yield* connection.query("DO 'BEGIN EXECUTE current_setting(''credit.migration''); END'")
    const durationMillis = (yield* Clock.currentTimeMillis) - startedAt
    yield* connection.query(
      `INSERT INTO public.migrations (id, name, checksum, applied_at, duration_ms)
       VALUES ($1, $2, $3, date_trunc('milliseconds', clock_timestamp()), $4)`,
      [migration.id, migration.name, migration.checksum, durationMillis]
    )
    yield* connection.query("COMMIT")
    return durationMillis
  },
  // The session ends with the run, and takes an open transaction with it: there is nothing to roll back here.
  (effect, _connection, migration) =>
    Effect.catchTag(effect, "SqlError", (error) => Effect.fail(migrationFailed(migration, error)))
)
