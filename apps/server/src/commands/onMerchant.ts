import type { InvalidRequest, RequestInProgress } from "@credit/domain/Refusal"
import type { MerchantUnknown } from "@credit/rpc/Errors"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { classify, loggable, sqlState } from "./BatchError.ts"
import { type Answered, inProgress, type Keyed, type Procedure } from "./Procedure.ts"
import { type Made, type NotRun, runOnce } from "./runProcedure.ts"

/** Whoever holds the key had it longer than a session waits for a lock. */
const LOCK_TIMEOUT = "55P03"

/** What a failure of the database means to who sent a procedure. What the database refuses for what it says is a defect. */
export const databaseTrouble = (
  procedure: Keyed,
  error: SqlError
): Effect.Effect<never, RequestInProgress | ServiceUnavailable> => {
  if (sqlState(error) === LOCK_TIMEOUT) return Effect.fail(inProgress(procedure, 1))
  const failure = classify(error, false)
  if (failure.kind === "rejected") return Effect.die(error)
  return Effect.logWarning("A procedure failed for want of the database", loggable(failure)).pipe(
    Effect.annotateLogs({ merchant_id: procedure.merchantId, command: procedure.type }),
    Effect.andThen(Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })))
  )
}

/** Runs a procedure of one transaction in its merchant's database, on a session of the pool. */
export const onMerchant = <A>(
  databases: MerchantDatabases["Service"],
  procedure: Procedure<A>,
  work: (connection: PgConnection) => Effect.Effect<Made<A>, InvalidRequest | SqlError>
): Effect.Effect<Answered<A>, Exclude<NotRun, SqlError> | MerchantUnknown | ServiceUnavailable> =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* databases.get(procedure.merchantId)
      const connection = yield* database.connection
      return yield* runOnce(connection, procedure, work).pipe(
        Effect.catchTag("SqlError", (error) =>
          // Its transaction may be open still.
          Effect.andThen(database.discard(connection), databaseTrouble(procedure, error))
        ),
        Effect.tapDefect(() => database.discard(connection))
      )
    })
  )
