import { createHash, randomBytes } from "node:crypto"
import { loadMigrations } from "@credit/server/migrations/MigrationFile"
import { grantRuntime, migrate } from "@credit/server/migrations/Migrations"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { openSession, type Session } from "./Session.ts"

export { blockedBy, openSession, type Refusal, type Session } from "./Session.ts"
export { startTestServer, startThrowawayServer, type TestServer } from "./TestServer.ts"

/** A merchant's database of its own, with the two logins a merchant has. */
export interface MerchantDatabase {
  readonly merchantId: string
  /** Owns everything in it: migrations alone use it. */
  readonly ownerUrl: string
  /** A member of credit_runtime that may connect here and nowhere else. */
  readonly runtimeUrl: string
  /** The server's administrator, in this database. */
  readonly adminUrl: string
  /** Ends its sessions, and removes it with its logins. */
  drop(): Promise<void>
}

export interface MerchantDatabaseOptions {
  /** A fresh one unless given. */
  readonly merchantId?: string
  readonly sandbox?: boolean
  /** false: an empty database, to be migrated by the test. */
  readonly migrate?: boolean
}

/**
 * Makes a database for one test or suite, in some 100 ms: a copy of a migrated one that the first caller of a run
 * makes. On a server of TEST_DATABASE_URL that one stays, for the next run.
 */
export const createMerchantDatabase = async (
  adminUrl: string,
  options: MerchantDatabaseOptions = {}
): Promise<MerchantDatabase> => {
  const suffix = randomBytes(6).toString("hex")
  const { merchantId = `m-${suffix}`, migrate: migrated = true, sandbox = false } = options
  const database = `credit_test_${suffix}`
  const owner = { name: `credit_owner_${suffix}`, password: randomBytes(12).toString("hex") }
  const runtime = { name: `credit_login_${suffix}`, password: randomBytes(12).toString("hex") }
  const admin = await openSession(adminUrl)
  try {
    const template = migrated ? await migratedTemplate(admin, adminUrl) : "template0"
    for (const { name, password } of [owner, runtime])
      await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`)
    await admin.query(`CREATE DATABASE ${database} TEMPLATE ${template} OWNER ${owner.name}`)
    // A copy has none of the original's database rights.
    await admin.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`)
    if (migrated)
      await takeOver({ adminUrl: urlOf(adminUrl, database), owner: owner.name, template, merchantId, sandbox })
    else await ensureRoles(admin)
    await Effect.runPromise(grantRuntime({ url: Redacted.make(urlOf(adminUrl, database)), login: runtime.name }))
  } finally {
    await admin.close()
  }
  return {
    merchantId,
    ownerUrl: urlOf(adminUrl, database, owner),
    runtimeUrl: urlOf(adminUrl, database, runtime),
    adminUrl: urlOf(adminUrl, database),
    drop: async () => {
      const session = await openSession(adminUrl)
      try {
        await session.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
        await session.query(`DROP ROLE IF EXISTS ${owner.name}, ${runtime.name}`)
      } finally {
        await session.close()
      }
    }
  }
}

interface Login {
  readonly name: string
  readonly password: string
}

const urlOf = (adminUrl: string, database: string, login?: Login): string => {
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  if (login !== undefined) {
    url.username = login.name
    url.password = login.password
  }
  return url.href
}

/** The copy and all in it becomes the owner's, and the merchant's. */
const takeOver = async (options: {
  readonly adminUrl: string
  readonly owner: string
  readonly template: string
  readonly merchantId: string
  readonly sandbox: boolean
}) => {
  const { adminUrl, merchantId, owner, sandbox, template } = options
  const admin = await openSession(adminUrl)
  try {
    await admin.query(`REASSIGN OWNED BY ${template} TO ${owner}`)
    // Default privileges go by role, and are not among what is reassigned.
    await admin.query(`ALTER DEFAULT PRIVILEGES FOR ROLE ${template} GRANT EXECUTE ON FUNCTIONS TO PUBLIC`)
    await admin.query(`ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`)
    await admin.query("SELECT app.initialise_merchant($1, $2)::text", [merchantId, sandbox])
    // A template kept on a given server may be of an earlier month.
    await admin.query("SELECT app.ensure_partitions(app.now())")
  } finally {
    await admin.close()
  }
}

const ensureRoles = async (admin: Session) => {
  for (const role of ["credit_runtime", "credit_jobs"]) {
    await admin.query(
      `DO $$ BEGIN CREATE ROLE ${role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$`
    )
  }
  await admin.query(
    `DO $$ BEGIN
       IF NOT pg_has_role('credit_runtime', 'credit_jobs', 'MEMBER') THEN GRANT credit_jobs TO credit_runtime; END IF;
     EXCEPTION WHEN unique_violation THEN END $$`
  )
}

/**
 * The name of a database with all migrations and of the role that owns it, named after the files' content. One caller
 * makes it while the others wait at a lock; its name is given last, so that half of one is never copied.
 */
const migratedTemplate = async (admin: Session, adminUrl: string): Promise<string> => {
  const files = await Effect.runPromise(loadMigrations().pipe(Effect.provide(NodeFileSystem.layer)))
  const content = createHash("sha256")
  for (const { checksum } of files) content.update(checksum)
  const name = `credit_template_${content.digest("hex").slice(0, 12)}`
  const present = async () => (await admin.query("SELECT FROM pg_database WHERE datname = $1", [name])).length > 0
  if (await present()) return name
  // The second key 4: beside those that migrations/0001_foundation.sql lists.
  await admin.query("SELECT pg_advisory_lock(1129465156, 4)::text")
  try {
    if (await present()) return name
    await ensureRoles(admin)
    const password = randomBytes(12).toString("hex")
    const unfinished = `${name}_unfinished`
    await admin.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`)
    await admin.query(`DROP ROLE IF EXISTS ${name}`)
    await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`)
    await admin.query(`CREATE DATABASE ${unfinished} TEMPLATE template0 OWNER ${name}`)
    const url = Redacted.make(urlOf(adminUrl, unfinished, { name, password }))
    await Effect.runPromise(migrate({ url, files }))
    // REASSIGN OWNED in a copy would take the template along, did its role own it.
    await admin.query(`ALTER DATABASE ${unfinished} OWNER TO CURRENT_USER`)
    await admin.query(`ALTER ROLE ${name} NOLOGIN`)
    await admin.query(`ALTER DATABASE ${unfinished} RENAME TO ${name}`)
    return name
  } finally {
    await admin.query("SELECT pg_advisory_unlock(1129465156, 4)")
  }
}
