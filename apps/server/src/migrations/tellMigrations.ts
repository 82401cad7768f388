import type { MerchantId } from "@credit/domain/Ids"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import type { Migrations } from "@credit/rpc/Migrations"
import type { RpcPayload, RpcSuccess } from "@credit/rpc/types"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { decodeCursor, encodeCursor } from "../ledger/Cursor.ts"
import { allMerchants } from "../merchants/AllMerchants.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { openSession, ownerUrl, readGround } from "../merchants/OwnerSession.ts"
import type { MigrationDatabaseUnavailable } from "./MigrationError.ts"
import { loadMigrations, type MigrationFile } from "./MigrationFile.ts"
import { checkVersion } from "./MigrationHistory.ts"
import { type MigrationStatus, migrationStatus } from "./Migrations.ts"
import { serverError } from "./ServerError.ts"

type Payload = RpcPayload<typeof Migrations, "Migration.Status">

type Standing = RpcSuccess<typeof Migrations, "Migration.Status">["merchants"][number]

/** A page's default size: its databases are asked within one request. */
const PAGE_SIZE = 50
/** So many databases are asked at a time. */
const CONCURRENCY = 16
/** How long one database may take; one that takes longer is told as unreachable. */
const ASKING_TIMEOUT = "2 seconds"

/** What a page of merchants' databases have had and still need. */
export const tellMigrations = Effect.fn("Migration.status")(function* (payload: Payload) {
  const directory = yield* MerchantDirectory
  const files = yield* loadMigrations().pipe(Effect.orDie)
  const [after] = (yield* decodeCursor(payload.cursor, ["text"])) ?? []
  const ids = payload.merchantIds ?? (yield* listed(directory))
  const limit = payload.limit ?? PAGE_SIZE
  const rest = [...new Set(ids)].toSorted().filter((id) => after === undefined || id > after)
  const page = rest.slice(0, limit)
  const merchants = yield* Effect.forEach(
    page,
    (merchantId) => {
      const urls = directory.lookup(merchantId)
      return urls === undefined
        ? Effect.succeed(faulty(merchantId, { reason: "unreachable", problem: "The service has no such merchant" }))
        : tellOne(merchantId, ownerUrl(urls), files)
    },
    { concurrency: CONCURRENCY }
  )
  const last = page.at(-1)
  return {
    needed: files.reduce((newest, { id }) => Math.max(newest, id), 0),
    merchants,
    ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor([last]) } : {})
  }
})

const listed = (directory: MerchantDirectory["Service"]) =>
  allMerchants(directory).pipe(
    Effect.map((all) => all.map(({ merchantId }) => merchantId)),
    Effect.catchTag("MerchantsNotListed", ({ problem }) =>
      Effect.andThen(
        Effect.logWarning(`The merchants cannot be listed: ${problem}`),
        Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 5 }))
      )
    )
  )

const tellOne = (
  merchantId: MerchantId,
  url: Redacted.Redacted,
  files: ReadonlyArray<MigrationFile>
): Effect.Effect<Standing> =>
  Effect.scoped(Effect.flatMap(openSession(url), readGround)).pipe(
    Effect.flatMap(
      (ground): Effect.Effect<Standing, MigrationDatabaseUnavailable> =>
        ground.merchantId !== undefined && ground.merchantId !== merchantId
          ? Effect.succeed(
              faulty(merchantId, { reason: "foreign", problem: `The database is the merchant ${ground.merchantId}'s` })
            )
          : Effect.map(migrationStatus({ url, files }), (status) => told(merchantId, status, files))
    ),
    Effect.catchTags({
      SessionFailed: ({ problem }) => unreachable(merchantId, problem),
      MigrationDatabaseUnavailable: ({ problem }) => unreachable(merchantId, problem),
      SqlError: (error) => unreachable(merchantId, serverError(error).message)
    }),
    Effect.timeoutOrElse({
      duration: ASKING_TIMEOUT,
      orElse: () => unreachable(merchantId, "the database does not answer")
    })
  )

const faulty = (merchantId: MerchantId, fault: NonNullable<Standing["fault"]>): Standing => ({
  merchantId,
  version: 0,
  servable: false,
  applied: [],
  pending: [],
  fault
})

const unreachable = (merchantId: MerchantId, problem: string) =>
  Effect.succeed(faulty(merchantId, { reason: "unreachable", problem }))

const told = (
  merchantId: MerchantId,
  { applied, fault, pending }: MigrationStatus,
  files: ReadonlyArray<MigrationFile>
): Standing => {
  const version = checkVersion(applied, files)
  return {
    merchantId,
    version: version.database,
    servable: version._tag === "Ok",
    applied: applied.map(({ applied_at, duration_ms, id, name }) => ({
      id,
      name,
      appliedAt: DateTime.makeUnsafe(applied_at),
      durationMillis: duration_ms
    })),
    pending: pending.map(({ id, name }) => ({ id, name })),
    ...(fault === undefined ? {} : { fault: { reason: fault.reason, problem: fault.problem } })
  }
}
