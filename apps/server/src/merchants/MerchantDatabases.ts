import type { MerchantId } from "@credit/domain/Ids"
import { MerchantUnknown, type ServiceUnavailable } from "@credit/rpc/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"
import { loadMigrations } from "../migrations/MigrationFile.ts"
import { ConnectionBudget } from "./ConnectionBudget.ts"
import { MerchantDatabase, type MerchantDatabaseOptions, type MerchantDatabaseStatus } from "./MerchantDatabase.ts"
import { MerchantDirectory } from "./MerchantDirectory.ts"

/** How often the pools are looked after. */
const TEND_INTERVAL = "250 millis"

/** The databases of all merchants, each with a pool of its own. */
export class MerchantDatabases extends Context.Service<
  MerchantDatabases,
  {
    /**
     * A merchant's database, opened and checked on first use. Cheap once it is open; may be kept, for it opens its pool
     * again when it is used after having been closed.
     */
    get(merchantId: MerchantId): Effect.Effect<MerchantDatabase, MerchantUnknown | ServiceUnavailable>
    /** A merchant's database as it is, neither opened nor checked: to be examined. */
    find(merchantId: MerchantId): Effect.Effect<MerchantDatabase, MerchantUnknown>
    /** How the databases stand that were asked for. */
    status(): ReadonlyArray<MerchantDatabaseStatus>
    /** Connections of all merchants, and how many there may be. */
    connections(): { readonly used: number; readonly limit: number }
  }
>()("@credit/server/merchants/MerchantDatabases") {
  static readonly layer = Layer.effect(
    MerchantDatabases,
    Effect.gen(function* () {
      const settings = yield* Settings
      const directory = yield* MerchantDirectory
      const files = yield* loadMigrations()
      return yield* make(directory, {
        totalPoolSize: settings.totalPoolSize,
        requiredMigration: files.reduce((newest, { id }) => Math.max(newest, id), 0),
        connectTimeout: settings.connectTimeout,
        statementTimeout: settings.statementTimeout,
        lockTimeout: settings.lockTimeout,
        poolSize: settings.merchantPoolSize,
        acquireTimeout: settings.acquireTimeout,
        idle: settings.merchantPoolIdle
      })
    })
  )
}

export interface MerchantDatabasesOptions extends Omit<MerchantDatabaseOptions, "budget"> {
  readonly totalPoolSize: number
}

const make = Effect.fnUntraced(function* (directory: MerchantDirectory["Service"], options: MerchantDatabasesOptions) {
  const databases = new Map<MerchantId, MerchantDatabase>()
  const scope = yield* Effect.scope
  const run = Effect.runForkWith(yield* Effect.context())
  const fork = (effect: Effect.Effect<void>) => {
    run(Effect.forkIn(effect, scope))
  }
  const budget = new ConnectionBudget(options.totalPoolSize, () => closeIdlest(databases.values()))

  yield* Effect.addFinalizer(() =>
    Effect.forEach([...databases.values()], (database) => database.close, { concurrency: "unbounded", discard: true })
  )
  yield* Effect.sync(() => {
    const now = performance.now()
    for (const database of databases.values()) database.tend(now)
  }).pipe(Effect.andThen(Effect.sleep(TEND_INTERVAL)), Effect.forever, Effect.forkScoped)

  /** Follows the directory: a merchant that was given another URL gets another pool. */
  const find = (merchantId: MerchantId): MerchantDatabase | undefined => {
    const urls = directory.lookup(merchantId)
    const known = databases.get(merchantId)
    if (urls === undefined || known?.urls === urls) return urls && known
    if (known !== undefined) fork(known.close)
    const database = new MerchantDatabase(urls, { ...options, budget }, fork)
    databases.set(merchantId, database)
    return database
  }

  return MerchantDatabases.of({
    get: (merchantId) => Effect.suspend(() => find(merchantId)?.opened ?? Effect.fail(new MerchantUnknown())),
    find: (merchantId) =>
      Effect.suspend(() => Effect.fromNullishOr(find(merchantId))).pipe(Effect.mapError(() => new MerchantUnknown())),
    status: () => [...databases.values()].map((database) => database.status),
    connections: () => ({ used: budget.used, limit: budget.limit })
  })
})

/** Closes the pool that has gone unused for longest, if there is one that nobody uses. */
const closeIdlest = (databases: Iterable<MerchantDatabase>): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let idlest: MerchantDatabase | undefined
    for (const database of databases) {
      if (database.status.connections === 0 || database.idleSince === undefined) continue
      if (idlest?.idleSince === undefined || database.idleSince < idlest.idleSince) idlest = database
    }
    return idlest === undefined ? Effect.succeed(false) : Effect.as(idlest.close, true)
  })
