import { canonicalDecimal } from "@credit/domain/Decimal"
import type { Merchants } from "@credit/rpc/Merchants"
import type { RpcPayload } from "@credit/rpc/types"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { addSampleCatalog } from "../catalog/SampleCatalog.ts"
import { BARRIER_EXCLUSIVE } from "../commands/Lock.ts"
import { grantRuntime } from "../migrations/Migrations.ts"
import type { MerchantUrls } from "./MerchantUrls.ts"
import { databaseName, onSameServer, openSession, ownerUrl, runtimeLogin } from "./OwnerSession.ts"

type Payload = RpcPayload<typeof Merchants, "Merchant.Onboard">

/** What a step found or made; `changed` is false where there was nothing to do. */
export interface StepDone {
  readonly changed: boolean
  readonly detail: string
}

const did = (detail: string): StepDone => ({ changed: true, detail })
const was = (detail: string): StepDone => ({ changed: false, detail })

/**
 * Creates the merchant's database, under a lock in the server's `postgres`: who comes second finds it. (1129465156, 5): beside
 * the locks that the migrations list. Of the plain template and in UTF-8, whatever the server's own databases are.
 */
export const createDatabase = (urls: MerchantUrls) =>
  Effect.scoped(
    Effect.gen(function* () {
      const name = databaseName(urls)
      const session = yield* openSession(onSameServer(urls, "postgres"))
      yield* session.query(
        "SELECT set_config('lock_timeout', '60s', false), set_config('statement_timeout', '60s', false)"
      )
      yield* session.query("SELECT pg_advisory_lock(1129465156, 5)::text")
      const { rows } = yield* session.query("SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = $1", [name])
      if (rows.length > 0) return was(`the database ${name} is there`)
      const statement = yield* session.query(
        "SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING ''UTF8''', $1::text) AS sql",
        [name]
      )
      yield* session.query(String(statement.rows[0]?.sql), [], false)
      return did(`the database ${name} was created`)
    })
  )

const MAY_SERVE = `
SELECT has_database_privilege(r.oid, current_database(), 'CONNECT')
  AND pg_has_role(r.oid, 'credit_runtime', 'MEMBER') AS may
FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1`

/** Whether the login of the runtime may serve the database that the session is in. */
export const mayServe = (session: PgConnection, urls: MerchantUrls): Effect.Effect<boolean, SqlError> =>
  Effect.map(session.query(MAY_SERVE, [runtimeLogin(urls)]), ({ rows }) => rows[0]?.may === true)

/** Lets the login of the runtime serve the database. The owner needs no leave, and gets none. */
export const grantAccess = Effect.fnUntraced(function* (session: PgConnection, urls: MerchantUrls) {
  const login = runtimeLogin(urls)
  if (yield* mayServe(session, urls)) return was(`${login} may serve it`)
  yield* grantRuntime({ url: ownerUrl(urls), login })
  return did(`${login} was let in`)
})

const SETTINGS = `
UPDATE public.merchant_settings SET
  legal_name = coalesce($1, legal_name), legal_address = $2, tax_id = $3, tax_regime = coalesce($4, tax_regime),
  tax_rate = $5::numeric, receipt_prefix = coalesce($6, receipt_prefix),
  updated_at = date_trunc('milliseconds', clock_timestamp())`

/** Whether the database has become a merchant's. */
export const isInitialised = (session: PgConnection): Effect.Effect<boolean, SqlError> =>
  Effect.map(session.query("SELECT FROM public.merchant_settings"), ({ rows }) => rows.length > 0)

/**
 * Makes the database the merchant's, and writes its first settings; those of one that is there stay. In one transaction:
 * a merchant without its settings never is.
 */
export const initialise = Effect.fnUntraced(function* (
  session: PgConnection,
  urls: MerchantUrls,
  { sandbox = false, settings = {} }: Payload
) {
  yield* session.query(BARRIER_EXCLUSIVE)
  if (yield* isInitialised(session)) return was("its settings stay as they are")
  yield* session.query("SELECT app.initialise_merchant($1::text, $2::boolean)::text", [urls.merchantId, sandbox])
  yield* session.query(SETTINGS, [
    settings.legalName ?? null,
    settings.legalAddress ?? null,
    settings.taxId ?? null,
    settings.taxRegime ?? null,
    settings.taxRate === undefined ? null : canonicalDecimal(settings.taxRate),
    settings.receiptPrefix ?? null
  ])
  return did(`the database is the merchant ${urls.merchantId}'s${sandbox ? ", a sandbox" : ""}`)
})

const EMPTY = `
SELECT NOT EXISTS (SELECT FROM public.products) AND NOT EXISTS (SELECT FROM public.operation_types) AS empty`

/** Whether nothing is sold or metered yet. */
export const isCatalogEmpty = (session: PgConnection): Effect.Effect<boolean, SqlError> =>
  Effect.map(session.query(EMPTY), ({ rows }) => rows[0]?.empty === true)

/** The default products and operation types, into a catalog that has none: nobody's own is added to. */
export const fillCatalog = Effect.fnUntraced(function* (session: PgConnection) {
  yield* session.query(BARRIER_EXCLUSIVE)
  if (!(yield* isCatalogEmpty(session))) return was("the catalog stays as it is")
  yield* addSampleCatalog(session)
  return did("the default products and operation types")
})
