import { MerchantId } from "@credit/domain/Ids"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { addSampleCatalog } from "../catalog/SampleCatalog.ts"
import type { MerchantUrls } from "../merchants/MerchantUrls.ts"
import { loadMigrations } from "../migrations/MigrationFile.ts"
import { grantRuntime, migrate } from "../migrations/Migrations.ts"

/** The merchants of the embedded service. `demo` may move its clock. */
const merchants = [
  { merchantId: MerchantId.make("demo"), sandbox: true },
  { merchantId: MerchantId.make("acme"), sandbox: false }
] as const

export interface EmbeddedServer {
  readonly host: string
  readonly port: number
  readonly superuserUrl: Redacted.Redacted
}

/**
 * Makes the merchants' databases on the embedded server, or finishes what an earlier start began: every step does nothing
 * where it is done. Each merchant has an owner that migrates and a login that serves, as it would in production.
 */
export const embeddedMerchants = Effect.fnUntraced(function* (server: EmbeddedServer, password: string) {
  yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* PgConnection.make({ url: server.superuserUrl })
      yield* makeRoles(connection)
      yield* makeOnboardingLogins(connection, password)
    })
  )
  yield* migrateOnboarded(server, password)
  const template = (user: string) =>
    Redacted.make(`postgres://${user}:${password}@${server.host}:${server.port}/merchant_{id}`)
  return {
    merchants: yield* Effect.forEach(merchants, (merchant) => embeddedMerchant(server, password, merchant)),
    templates: { runtime: template(SERVICE_LOGIN), migration: template(OWNER_LOGIN) }
  }
})

/** The logins of merchants that are onboarded while the service runs: one serves them, one makes and owns their databases. */
const SERVICE_LOGIN = "credit_service"
const OWNER_LOGIN = "credit_owner"

const makeOnboardingLogins = Effect.fnUntraced(function* (connection: PgConnection.PgConnection, password: string) {
  yield* makeLogin(connection, SERVICE_LOGIN, password)
  yield* makeLogin(connection, OWNER_LOGIN, password)
  yield* connection.query(`ALTER ROLE ${OWNER_LOGIN} CREATEDB`)
  yield* connection.query(`GRANT credit_runtime TO ${OWNER_LOGIN} WITH ADMIN OPTION`)
})

/** Merchants that were onboarded before, perhaps by an earlier version, are migrated as ours are. */
const migrateOnboarded = Effect.fnUntraced(function* (server: EmbeddedServer, password: string) {
  const { rows } = yield* Effect.scoped(
    Effect.flatMap(PgConnection.make({ url: server.superuserUrl }), (connection) =>
      connection.query(
        `SELECT d.datname FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba
         WHERE r.rolname = '${OWNER_LOGIN}' ORDER BY d.datname`
      )
    )
  )
  const files = yield* loadMigrations()
  for (const { datname } of rows) {
    const url = Redacted.make(`postgres://${OWNER_LOGIN}:${password}@${server.host}:${server.port}/${String(datname)}`)
    yield* migrate({ url, files })
  }
})

const embeddedMerchant = Effect.fnUntraced(function* (
  server: EmbeddedServer,
  password: string,
  { merchantId, sandbox }: (typeof merchants)[number]
) {
  const login = `merchant_${merchantId}`
  const owner = `${login}_owner`
  const database = login
  const urlOf = (user: string) =>
    Redacted.make(`postgres://${user}:${password}@${server.host}:${server.port}/${database}`)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* PgConnection.make({ url: server.superuserUrl })
      yield* makeLogin(connection, owner, password)
      yield* makeLogin(connection, login, password)
      yield* makeDatabase(connection, database, owner)
    })
  )
  yield* migrate({ url: urlOf(owner), files: yield* loadMigrations() })
  yield* grantRuntime({ url: superuserIn(server.superuserUrl, database), login })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* PgConnection.make({ url: urlOf(owner) })
      yield* connection.query("SELECT app.initialise_merchant($1::text, $2::boolean)", [merchantId, sandbox])
      yield* addSampleCatalog(connection)
    })
  )
  const urls: MerchantUrls = {
    merchantId,
    runtimeUrl: urlOf(login),
    migrationUrl: urlOf(owner),
    fromTemplate: false
  }
  return urls
})

const superuserIn = (superuserUrl: Redacted.Redacted, database: string): Redacted.Redacted => {
  const url = new URL(Redacted.value(superuserUrl))
  url.pathname = `/${database}`
  return Redacted.make(url.href)
}

/** The migrations' owner is no superuser and may not make the cluster's roles itself. */
const makeRoles = Effect.fnUntraced(function* (connection: PgConnection.PgConnection) {
  for (const role of ["credit_runtime", "credit_jobs"]) {
    const { rows } = yield* connection.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [role])
    if (rows.length === 0) yield* connection.query(`CREATE ROLE ${role} NOLOGIN`)
  }
  yield* connection.query("GRANT credit_jobs TO credit_runtime")
})

/** The names are our own constants, and the password is hexadecimal: nothing here needs quoting. */
const makeLogin = Effect.fnUntraced(function* (connection: PgConnection.PgConnection, name: string, password: string) {
  const { rows } = yield* connection.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [name])
  const verb = rows.length === 0 ? "CREATE" : "ALTER"
  yield* connection.query(`${verb} ROLE ${name} LOGIN PASSWORD '${password}'`, [], false)
})

const makeDatabase = Effect.fnUntraced(function* (connection: PgConnection.PgConnection, name: string, owner: string) {
  const { rows } = yield* connection.query("SELECT 1 FROM pg_database WHERE datname = $1", [name])
  if (rows.length === 0) yield* connection.query(`CREATE DATABASE ${name} OWNER ${owner}`, [], false)
})
