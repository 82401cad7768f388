import { randomBytes } from "node:crypto"
import { loadMigrations, type MigrationFile } from "@credit/server/migrations/MigrationFile"
import { type MigrateOptions, migrate, migrateAll, migrationStatus } from "@credit/server/migrations/Migrations"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session,
  startThrowawayServer,
  type TestServer
} from "../../../../test/utils/Postgres.ts"
import { schemaDump } from "./SchemaDump.ts"

const load = (directory?: string) =>
  Effect.runPromise(loadMigrations(directory).pipe(Effect.provide(NodeFileSystem.layer)))
const run = (url: string, files: ReadonlyArray<MigrationFile>, onProgress?: MigrateOptions["onProgress"]) =>
  Effect.runPromise(migrate({ url: Redacted.make(url), files, ...(onProgress === undefined ? {} : { onProgress }) }))
const failure = (url: string, files: ReadonlyArray<MigrationFile>) =>
  Effect.runPromise(Effect.flip(migrate({ url: Redacted.make(url), files })))

/** Files that need nothing of the real ones. */
const file = (id: number, sql: string, name = `step_${id}`): MigrationFile => ({
  id,
  name,
  file: `${`${id}`.padStart(4, "0")}_${name}.sql`,
  sql,
  checksum: `${id}:${sql.length}:${sql}`
})

let real: ReadonlyArray<MigrationFile>
beforeAll(async () => {
  real = await load()
})

let database: MerchantDatabase
let owner: Session
const freshDatabase = () => {
  beforeEach(async () => {
    database = await createMerchantDatabase(inject("adminUrl"), { migrate: false })
    owner = await openSession(database.ownerUrl)
  })
  afterEach(async () => {
    await owner.close()
    await database.drop()
  })
}

describe("migrating", () => {
  freshDatabase()

  it("a new database: all files, in order, each with its record; once", async () => {
    const seen: Array<string> = []
    const report = await run(database.ownerUrl, real, (progress) =>
      Effect.sync(() =>
        seen.push(
          progress._tag === "Waiting" ? "Waiting" : `${progress._tag} ${progress.migration.id}/${progress.total}`
        )
      )
    )
    expect(report.version).toBe(real.length)
    expect(report.applied.map(({ id, name }) => [id, name])).toEqual(real.map(({ id, name }) => [id, name]))
    expect(seen).toEqual(real.flatMap(({ id }) => [`Started ${id}/${real.length}`, `Applied ${id}/${real.length}`]))
    const records = await owner.query("SELECT id, name, checksum FROM public.migrations ORDER BY id")
    expect(records).toEqual(real.map(({ checksum, id, name }) => ({ id, name, checksum })))
    expect(await run(database.ownerUrl, real)).toEqual({ applied: [], version: real.length })
  })

  it("at once or step by step ends in the same schema", async () => {
    await run(database.ownerUrl, real)
    const atOnce = await schemaDump(owner)
    expect(atOnce.length).toBeGreaterThan(500)
    const other = await createMerchantDatabase(inject("adminUrl"), { migrate: false })
    const session = await openSession(other.ownerUrl)
    for (const last of real) {
      const { applied } = await run(
        other.ownerUrl,
        real.filter(({ id }) => id <= last.id)
      )
      expect(applied.map(({ id }) => id)).toEqual([last.id])
    }
    expect(await schemaDump(session)).toEqual(atOnce)
    await session.close()
    await other.drop()
  })

  it("the copies that tests work on have the same schema too", async () => {
    await run(database.ownerUrl, real)
    const copied = await createMerchantDatabase(inject("adminUrl"))
    const session = await openSession(copied.ownerUrl)
    expect(await schemaDump(session)).toEqual(await schemaDump(owner))
    await session.close()
    await copied.drop()
  })

  it("runs whatever SQL a file holds: semicolons and quotes in strings, bodies and comments", async () => {
    const sql = `
      -- a comment; with 'a quote and $$ dollars
      /* another; /* nested; */ $x$ */
      CREATE TABLE public.notes (note text DEFAULT 'a;b''c;$$');
      INSERT INTO public.notes DEFAULT VALUES; INSERT INTO public.notes VALUES ($q$;'$$;$q$), (E'\\';\\n');
      CREATE FUNCTION public.twice(n integer) RETURNS integer LANGUAGE plpgsql AS $$
      BEGIN
        RETURN n * 2; -- done;
      END
      $$;
      DO $do$ BEGIN PERFORM public.twice(2); END $do$;
      SELECT 'its result; goes nowhere';
      INSERT INTO public.notes SELECT public.twice(21)::text`
    await run(database.ownerUrl, [file(1, sql)])
    expect((await owner.query("SELECT note FROM public.notes")).map(({ note }) => note)).toEqual([
      "a;b'c;$$",
      ";'$$;",
      "';\n",
      "42"
    ])
  })

  it("a file that fails leaves no trace; those before it stay", async () => {
    const files = [
      file(1, "CREATE TABLE public.one (id integer)"),
      file(2, "CREATE TABLE public.two (id integer);\nINSERT INTO public.two VALUES (1);\nSELECT 1 / 0;"),
      file(3, "CREATE TABLE public.three (id integer)")
    ]
    expect(await failure(database.ownerUrl, files)).toMatchObject({
      _tag: "MigrationFailed",
      file: "0002_step_2.sql",
      sqlState: "22012",
      problem: "division by zero"
    })
    const tables = await owner.query(
      "SELECT tablename::text AS name FROM pg_catalog.pg_tables WHERE schemaname = 'public' ORDER BY 1"
    )
    expect(tables.map(({ name }) => name)).toEqual(["migrations", "one"])
    expect((await run(database.ownerUrl, [...files.slice(0, 1), file(2, "SELECT 1"), ...files.slice(2)])).version).toBe(
      3
    )
  })

  it.each([
    ["what cannot be parsed", "SELECT 1;\n-- é ✓ 👩‍🚀\nSELECT 'ok';\nCREATE TABEL x ();", 4, "42601"],
    ["what does not exist", "SELECT 1;\n\nSELECT *\n  FROM public.missing;", 4, "42P01"]
  ])("says the line of %s", async (_, sql, line, sqlState) => {
    const failed = await failure(database.ownerUrl, [file(1, sql)])
    expect(failed).toMatchObject({ _tag: "MigrationFailed", line, sqlState })
    expect(failed.message).toContain(`0001_step_1.sql:${line}: `)
  })

  it("says detail, hint and place of what a function raises, without repeating the file", async () => {
    const sql = `DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'because', HINT = 'try this', ERRCODE = 'CR001'; END $$`
    const failed = await failure(database.ownerUrl, [file(1, sql)])
    expect(failed).toMatchObject({
      problem: "no",
      detail: "because",
      hint: "try this",
      sqlState: "CR001",
      context: "PL/pgSQL function inline_code_block line 1 at RAISE"
    })
    expect(failed.message).toBe("0001_step_1.sql: no (CR001). because. try this")
  })

  it("refuses transaction control in a file: one file is one transaction", async () => {
    for (const sql of ["COMMIT", "SELECT 1; ROLLBACK; SELECT 2", "BEGIN; SELECT 1; COMMIT"]) {
      expect(await failure(database.ownerUrl, [file(1, sql)]), sql).toMatchObject({
        _tag: "MigrationFailed",
        sqlState: "0A000"
      })
    }
  })

  it("finds no name by search path: a file must say the schema", async () => {
    expect(await failure(database.ownerUrl, [file(1, "CREATE TABLE one (id integer)")])).toMatchObject({
      sqlState: "3F000"
    })
  })

  it("refuses an edited or renamed file, a gap and a newer database, and runs nothing", async () => {
    const [one, two, three] = [file(1, "SELECT 1"), file(2, "SELECT 2"), file(3, "SELECT 3")]
    const four = file(4, "CREATE TABLE public.four (id integer)")
    await run(database.ownerUrl, [one, two, three])
    const edited = await failure(database.ownerUrl, [one, file(2, "SELECT 20"), three, four])
    expect(edited).toMatchObject({ _tag: "MigrationHistoryInvalid", reason: "edited", migrationId: 2 })
    expect(await failure(database.ownerUrl, [one, { ...two, name: "other" }, three, four])).toMatchObject({
      reason: "edited"
    })
    expect(await failure(database.ownerUrl, [one, two])).toMatchObject({ reason: "newer", migrationId: 3 })
    await owner.query("DELETE FROM public.migrations WHERE id = 2")
    expect(await failure(database.ownerUrl, [one, two, three, four])).toMatchObject({ reason: "gap", migrationId: 2 })
    expect(await owner.query("SELECT to_regclass('public.four')::text AS four")).toEqual([{ four: null }])
  })

  it("two runners at once: the second waits, then finds nothing to do", async () => {
    const reports = await Promise.all([1, 2, 3].map(() => run(database.ownerUrl, real)))
    expect(reports.map(({ applied }) => applied.length).toSorted((a, b) => b - a)).toEqual([real.length, 0, 0])
    expect(reports.map(({ version }) => version)).toEqual([real.length, real.length, real.length])
  })

  it("says that it waits for another runner", async () => {
    await owner.query("SELECT pg_advisory_lock(1129465156, 1)::text")
    const waiting = Promise.withResolvers<void>()
    const running = run(database.ownerUrl, [file(1, "SELECT 1")], (progress) =>
      Effect.sync(() => progress._tag === "Waiting" && waiting.resolve())
    )
    await waiting.promise
    expect(await owner.query("SELECT to_regclass('public.migrations')::text AS found")).toEqual([{ found: null }])
    await owner.query("SELECT pg_advisory_unlock(1129465156, 1)")
    expect((await running).version).toBe(1)
  })

  it("a runner that dies in the middle of a file leaves a database that the next one finishes", async () => {
    const files = [
      file(1, "SELECT 1"),
      file(2, "CREATE TABLE public.two (id integer); SELECT pg_advisory_xact_lock(77)")
    ]
    await owner.query("SELECT pg_advisory_lock(77)::text")
    const dying = failure(database.ownerUrl, files)
    let killed = false
    while (!killed) {
      const found = await owner.query(
        `SELECT pg_terminate_backend(pid) AS killed FROM pg_catalog.pg_locks
         WHERE locktype = 'advisory' AND objid = 77 AND NOT granted`
      )
      killed = found.length > 0
    }
    expect(await dying).toMatchObject({ _tag: "MigrationFailed", file: "0002_step_2.sql" })
    await owner.query("SELECT pg_advisory_unlock(77)")
    expect(await owner.query("SELECT to_regclass('public.two')::text AS two")).toEqual([{ two: null }])
    expect((await run(database.ownerUrl, files)).applied.map(({ id }) => id)).toEqual([2])
  })
})

describe("the state of a database", () => {
  freshDatabase()

  it("is what it had and what it needs; asking changes nothing, and the runtime may ask", async () => {
    const status = (url: string) => Effect.runPromise(migrationStatus({ url: Redacted.make(url), files: real }))
    expect(await status(database.ownerUrl)).toEqual({ applied: [], pending: real })
    expect(await owner.query("SELECT to_regclass('public.migrations')::text AS found")).toEqual([{ found: null }])
    await run(database.ownerUrl, real)
    const { applied, pending } = await status(database.runtimeUrl)
    expect(applied.map(({ id, name }) => [id, name])).toEqual(real.map(({ id, name }) => [id, name]))
    expect(pending).toEqual([])
  })
})

describe("migrating many merchants", () => {
  it("in parallel; one that fails does not stop the others, and each has its outcome", async () => {
    const databases = await Promise.all(
      Array.from({ length: 4 }, () => createMerchantDatabase(inject("adminUrl"), { migrate: false }))
    )
    const broken = databases[1]
    if (broken === undefined) throw new Error("no databases")
    const session = await openSession(broken.ownerUrl)
    await session.query("CREATE SCHEMA app")
    await session.close()
    const nowhere = new URL(broken.ownerUrl)
    nowhere.pathname = "/credit_no_such_database"
    const targets = [
      ...databases.map(({ merchantId, ownerUrl }) => ({ merchantId, url: Redacted.make(ownerUrl) })),
      { merchantId: "nowhere", url: Redacted.make(nowhere.href) }
    ]
    const seen = new Set<string>()
    const outcomes = await Effect.runPromise(
      migrateAll(targets, {
        files: real,
        concurrency: 3,
        onProgress: (merchantId) => Effect.sync(() => seen.add(merchantId))
      })
    )
    expect(outcomes.map(({ merchantId }) => merchantId)).toEqual(targets.map(({ merchantId }) => merchantId))
    expect(
      outcomes.map(({ result }) => (Result.isSuccess(result) ? result.success.version : result.failure._tag))
    ).toEqual([real.length, "MigrationFailed", real.length, real.length, "MigrationDatabaseUnavailable"])
    expect(seen).toEqual(new Set(databases.map(({ merchantId }) => merchantId)))
    await Promise.all(databases.map((each) => each.drop()))
  })
})

describe("the runtime role of a server", () => {
  let server: TestServer
  let admin: Session
  beforeAll(async () => {
    // A server of its own, also with TEST_DATABASE_URL: the role is the cluster's, and here it must be missing.
    server = await startThrowawayServer()
    admin = await openSession(server.adminUrl)
  })
  afterAll(async () => {
    await admin.close()
    await server.stop()
  })

  const ownedDatabase = async (attributes: string) => {
    const name = `owner_${randomBytes(4).toString("hex")}`
    await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret' ${attributes}`)
    await admin.query(`CREATE DATABASE ${name} OWNER ${name}`)
    const url = new URL(server.adminUrl)
    url.username = name
    url.password = "secret"
    url.pathname = `/${name}`
    return url.href
  }

  const holdsUp = async (holder: Session) => {
    const waiting = await admin.query(
      "SELECT FROM pg_catalog.pg_stat_activity AS a WHERE $1::integer = ANY (pg_blocking_pids(a.pid))",
      [holder.processId]
    )
    return waiting.length > 0
  }

  it("is made once by whichever merchant is migrated first, or by an administrator", async () => {
    const powerless = await ownedDatabase("")
    expect(await failure(powerless, real)).toMatchObject({
      _tag: "MigrationFailed",
      file: "0007_runtime_role.sql",
      sqlState: "42501",
      problem: expect.stringMatching(/^role credit_runtime is missing and owner_\w+ may not create roles$/),
      hint: "Once per server, as an administrator: CREATE ROLE credit_runtime NOLOGIN"
    })
    // Another merchant's migration is about to commit the role that this one has just found missing.
    const url = await ownedDatabase("CREATEROLE")
    const other = await openSession(server.adminUrl)
    await other.query("BEGIN")
    await other.query("CREATE ROLE credit_runtime NOLOGIN")
    const running = run(url, real)
    while (!(await holdsUp(other))) {}
    await other.query("COMMIT")
    await other.close()
    expect((await running).version).toBe(real.length)

    const urls = [url, await ownedDatabase(""), await ownedDatabase("")]
    const reports = await Promise.all(urls.map((each) => run(each, real)))
    expect(reports.map(({ version }) => version)).toEqual([real.length, real.length, real.length])
    expect(await admin.query("SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = 'credit_runtime'")).toEqual([
      { rolcanlogin: false }
    ])
    expect((await run(powerless, real)).version).toBe(real.length)
    for (const url of [powerless, ...urls]) {
      const database = new URL(url).pathname.slice(1)
      expect(
        await admin.query("SELECT has_database_privilege('public', $1, 'CONNECT, TEMPORARY') AS open", [database])
      ).toEqual([{ open: false }])
    }

    await admin.query("ALTER ROLE credit_runtime CREATEROLE")
    expect(await failure(await ownedDatabase(""), real)).toMatchObject({
      problem: "role credit_runtime exists and may do more than a runtime role must"
    })
  })
})
