import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import { serverError } from "../migrations/ServerError.ts"
import type { MerchantUrls } from "./MerchantUrls.ts"

/** The URL that migrates and onboards: the owner's, or the runtime's where roles are not separated. */
export const ownerUrl = ({ migrationUrl, runtimeUrl }: MerchantUrls): Redacted.Redacted => migrationUrl ?? runtimeUrl

/** The login that serves the merchant; empty where the URL names none. */
export const runtimeLogin = ({ runtimeUrl }: MerchantUrls): string =>
  decodeURIComponent(new URL(Redacted.value(runtimeUrl)).username)

/** The name of the merchant's database. */
export const databaseName = (urls: MerchantUrls): string => {
  const url = new URL(Redacted.value(ownerUrl(urls)))
  return url.searchParams.get("dbname") ?? decodeURIComponent(url.pathname.slice(1))
}

/** A database on the server of the merchant's own. */
export const onSameServer = (urls: MerchantUrls, database: string): Redacted.Redacted => {
  const url = new URL(Redacted.value(ownerUrl(urls)))
  url.searchParams.delete("dbname")
  url.pathname = `/${encodeURIComponent(database)}`
  return Redacted.make(url.href)
}

/** A session could not be opened. `problem` is PostgreSQL's or the system's word on it, without the URL. */
export class SessionFailed extends Data.TaggedError("SessionFailed")<{
  readonly sqlState: string | undefined
  readonly problem: string
}> {}

const CONNECT_TIMEOUT = "3 seconds"

/** What a session that decides something may wait for: the statements themselves are short. */
const LIMITS = {
  TimeZone: "UTC",
  statement_timeout: "10s",
  lock_timeout: "3s",
  idle_in_transaction_session_timeout: "30s",
  client_connection_check_interval: "1s"
}

/** A session outside the pools, of who owns the database, for this scope. */
export const openSession = (url: Redacted.Redacted) =>
  PgConnection.make({
    url,
    applicationName: "credit-procedures",
    connectTimeout: CONNECT_TIMEOUT,
    startupParameters: LIMITS
  }).pipe(
    Effect.mapError(sessionFailed),
    Effect.timeoutOrElse({
      duration: CONNECT_TIMEOUT,
      orElse: () => Effect.fail(new SessionFailed({ sqlState: undefined, problem: "the database does not answer" }))
    })
  )

const sessionFailed = (error: SqlError) => {
  const { code, message } = serverError(error)
  return new SessionFailed({ sqlState: code, problem: message })
}

/** What a database is, as far as onboarding and migrating must know. */
export interface DatabaseGround {
  /** Whose it says it is; `undefined` for nobody's yet. */
  readonly merchantId: string | undefined
  readonly sandbox: boolean | undefined
  /** Whether it has had a migration. */
  readonly migrated: boolean
  /** Whether keys can be kept in it. */
  readonly keepsKeys: boolean
  /** Whether anything stands in it that no migration of ours made. */
  readonly occupied: boolean
  readonly encoding: string
}

const GROUND = `
SELECT
  to_regclass('public.merchant_settings') IS NOT NULL AS settings,
  to_regclass('public.migrations') IS NOT NULL AS migrated,
  to_regclass('public.idempotency_tracking') IS NOT NULL AS "keepsKeys",
  EXISTS (
    SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('information_schema', 'cron')
      AND n.nspname !~ '^pg_'
  ) AS tables,
  current_setting('server_encoding') AS encoding`

export const readGround = Effect.fnUntraced(function* (
  connection: PgConnection.PgConnection
): Effect.fn.Return<DatabaseGround, SqlError> {
  const [ground] = (yield* connection.query(GROUND)).rows
  const owner = ground?.settings === true ? yield* connection.query(OWNER) : undefined
  const [merchant] = owner?.rows ?? []
  return {
    merchantId: typeof merchant?.merchant_id === "string" ? merchant.merchant_id : undefined,
    sandbox: typeof merchant?.sandbox === "boolean" ? merchant.sandbox : undefined,
    migrated: ground?.migrated === true,
    keepsKeys: ground?.keepsKeys === true,
    occupied: ground?.tables === true && ground.migrated !== true,
    encoding: String(ground?.encoding)
  }
})

const OWNER = "SELECT s.merchant_id::text AS merchant_id, s.sandbox FROM public.merchant_settings AS s"
