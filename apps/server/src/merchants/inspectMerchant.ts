import type { MerchantProblem } from "@credit/rpc/Merchants"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import type { MigrationFile } from "../migrations/MigrationFile.ts"
import { migrationStatus } from "../migrations/Migrations.ts"
import type { MerchantUrls } from "./MerchantUrls.ts"
import {
  type DatabaseGround,
  databaseName,
  onSameServer,
  openSession,
  ownerUrl,
  readGround,
  runtimeLogin
} from "./OwnerSession.ts"

type Problem = typeof MerchantProblem.Type

/** What onboarding finds before it changes anything. */
export interface Inspection {
  readonly problems: ReadonlyArray<Problem>
  /** `undefined`: there is no such database yet. */
  readonly ground: DatabaseGround | undefined
}

const NO_SUCH_DATABASE = "3D000"

/** Everything that stands in the way of making this merchant where its URLs say; changes nothing. */
export const inspectMerchant = Effect.fn("Merchants.inspect")(function* (
  urls: MerchantUrls,
  files: ReadonlyArray<MigrationFile>,
  sandbox: boolean | undefined
) {
  const problems: Array<Problem> = []
  const runtimeName = databaseName({ ...urls, migrationUrl: undefined })
  if (runtimeName !== databaseName(urls)) {
    problems.push({
      code: "urls_differ",
      message: `the service would use the database ${runtimeName}, the owner makes ${databaseName(urls)}`
    })
  }
  const found = yield* Effect.scoped(
    Effect.flatMap(openSession(ownerUrl(urls)), (session) => inspectDatabase(session, urls, sandbox))
  ).pipe(
    Effect.catchTag("SessionFailed", (failure) =>
      failure.sqlState === NO_SUCH_DATABASE
        ? Effect.scoped(
            Effect.flatMap(openSession(onSameServer(urls, "postgres")), (session) => inspectServer(session, urls))
          )
        : Effect.fail(failure)
    ),
    Effect.catchTags({
      SessionFailed: ({ problem }) => Effect.succeed(unreachable(problem)),
      SqlError: ({ message }) => Effect.succeed(unreachable(message))
    })
  )
  problems.push(...found.problems)
  if (found.ground?.migrated === true) problems.push(...(yield* misfits(urls, files)))
  return { problems, ground: found.ground } satisfies Inspection
})

const unreachable = (problem: string): Inspection => ({
  problems: [{ code: "server_unreachable", message: `the owner's URL does not work: ${problem}` }],
  ground: undefined
})

const misfits = (urls: MerchantUrls, files: ReadonlyArray<MigrationFile>) =>
  migrationStatus({ url: ownerUrl(urls), files }).pipe(
    Effect.map(
      ({ fault }): ReadonlyArray<Problem> =>
        fault === undefined ? [] : [{ code: "migrations_do_not_fit", message: fault.problem }]
    ),
    Effect.catchTag("MigrationDatabaseUnavailable", ({ problem }) => Effect.succeed(unreachable(problem).problems))
  )

/** A server on which the database is still to be created. */
const inspectServer = Effect.fnUntraced(function* (session: PgConnection, urls: MerchantUrls) {
  const rights = yield* readRights(session, urls)
  const problems = roleProblems(rights, urls)
  if (!rights.mayCreateDatabase) {
    problems.push({
      code: "may_not_create_database",
      message: `there is no database ${databaseName(urls)}, and ${rights.owner} may not create one: ALTER ROLE "${rights.owner}" CREATEDB`
    })
  }
  return { problems, ground: undefined } satisfies Inspection
})

const inspectDatabase = Effect.fnUntraced(function* (
  session: PgConnection,
  urls: MerchantUrls,
  sandbox: boolean | undefined
) {
  const ground = yield* readGround(session)
  const rights = yield* readRights(session, urls)
  const problems = roleProblems(rights, urls)
  if (ground.merchantId !== undefined && ground.merchantId !== urls.merchantId) {
    problems.push({
      code: "database_of_another_merchant",
      message: `the database ${databaseName(urls)} is the merchant ${ground.merchantId}'s`
    })
  } else if (ground.sandbox !== undefined && sandbox !== undefined && ground.sandbox !== sandbox) {
    problems.push({
      code: "kind_differs",
      message: `the merchant was made ${ground.sandbox ? "as" : "not as"} a sandbox, which never changes`
    })
  }
  if (ground.occupied) {
    problems.push({
      code: "database_occupied",
      message: `the database ${databaseName(urls)} holds tables that are not this service's`
    })
  }
  if (ground.encoding !== "UTF8") {
    problems.push({ code: "encoding_not_utf8", message: `the database has the encoding ${ground.encoding}` })
  }
  if (!rights.mayMigrate) {
    problems.push({
      code: "may_not_migrate",
      message: `${rights.owner} may not create schemas in the database: let it own the database`
    })
  }
  return { problems, ground } satisfies Inspection
})

interface Rights {
  readonly owner: string
  readonly mayCreateDatabase: boolean
  readonly mayCreateRoles: boolean
  readonly mayMigrate: boolean
  readonly runtimeRole: boolean
  readonly loginThere: boolean
  readonly loginIsMember: boolean
  readonly mayGrant: boolean
}

/** $1: the login that serves. Who may create roles may grant this one up to PostgreSQL 15; later who made it, or was told. */
const RIGHTS = `
SELECT
  r.rolname::text AS owner,
  r.rolsuper OR r.rolcreatedb AS "mayCreateDatabase",
  r.rolsuper OR r.rolcreaterole AS "mayCreateRoles",
  has_database_privilege(current_database(), 'CREATE')
    AND (r.rolsuper OR has_schema_privilege('public', 'CREATE')) AS "mayMigrate",
  runtime.oid IS NOT NULL AS "runtimeRole",
  login.oid IS NOT NULL AS "loginThere",
  coalesce(pg_has_role(login.oid, runtime.oid, 'MEMBER'), false) AS "loginIsMember",
  r.rolsuper
    OR (r.rolcreaterole AND (runtime.oid IS NULL OR current_setting('server_version_num')::integer < 160000))
    OR EXISTS (
      SELECT FROM pg_catalog.pg_auth_members AS m
      WHERE m.roleid = runtime.oid AND m.admin_option AND pg_has_role(current_user, m.member, 'USAGE')
    ) AS "mayGrant"
FROM pg_catalog.pg_roles AS r
LEFT JOIN pg_catalog.pg_roles AS runtime ON runtime.rolname = 'credit_runtime'
LEFT JOIN pg_catalog.pg_roles AS login ON login.rolname = $1
WHERE r.rolname = current_user`

const readRights = Effect.fnUntraced(function* (
  session: PgConnection,
  urls: MerchantUrls
): Effect.fn.Return<Rights, SqlError> {
  const [row = {}] = (yield* session.query(RIGHTS, [runtimeLogin(urls)])).rows
  const is = (name: string) => row[name] === true
  return {
    owner: String(row.owner),
    mayCreateDatabase: is("mayCreateDatabase"),
    mayCreateRoles: is("mayCreateRoles"),
    mayMigrate: is("mayMigrate"),
    runtimeRole: is("runtimeRole"),
    loginThere: is("loginThere"),
    loginIsMember: is("loginIsMember"),
    mayGrant: is("mayGrant")
  }
})

const roleProblems = (rights: Rights, urls: MerchantUrls): Array<Problem> => {
  const problems: Array<Problem> = []
  const { owner } = rights
  if (!rights.runtimeRole && !rights.mayCreateRoles) {
    problems.push({
      code: "runtime_role_missing",
      message: `the role credit_runtime is missing and ${owner} may not make it: CREATE ROLE credit_runtime NOLOGIN`
    })
  }
  const login = runtimeLogin(urls)
  if (urls.migrationUrl === undefined || sameLogin(urls)) return problems
  if (!rights.loginThere) {
    problems.push({ code: "runtime_login_missing", message: `the login ${login} of the runtime URL does not exist` })
  }
  if (!rights.loginIsMember && !rights.mayGrant) {
    problems.push({
      code: "may_not_grant_runtime_role",
      message: `${login} is no member of credit_runtime and ${owner} may not make it one: GRANT credit_runtime TO "${login}"`
    })
  }
  return problems
}

/** Both URLs have the same login: then nothing is to be granted, and nothing is separated. */
export const sameLogin = (urls: MerchantUrls): boolean =>
  runtimeLogin(urls) === new URL(Redacted.value(ownerUrl(urls))).username
