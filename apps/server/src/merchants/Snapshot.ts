import type { ServiceUnavailable } from "@credit/rpc/Errors"
import * as Effect from "effect/Effect"
import type { MerchantDatabase } from "./MerchantDatabase.ts"

/**
 * Reads the one value that a statement makes as text in its column `json`. A statement that PostgreSQL refuses is a defect.
 * The caller's SQL answers for the shape.
 */
export type Read = <A>(text: string, parameters?: ReadonlyArray<unknown>) => Effect.Effect<A, ServiceUnavailable>

const BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

/**
 * How a lookup is run, on top of what holds for the whole session: with a limit that ends before its caller's deadline, and
 * along an index that has the order it asks for, so that a page reads the rows it shows and no others. The planner, which may
 * know nothing of a young table, would rather gather all of a user's entries and sort them.
 */
export const LOOKUP = `
SELECT set_config('statement_timeout', '3s', true), set_config('enable_sort', 'off', true),
  set_config('enable_bitmapscan', 'off', true)`

/** The same for an analysis. One process of the database for one caller: the others are there for commands. */
export const ANALYSIS = `
SELECT set_config('statement_timeout', '8s', true), set_config('enable_sort', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true)`

/**
 * Reads on one session in one transaction that can write nothing and sees one state of the database throughout. It takes no
 * locks that a writer would wait for.
 */
export const snapshot = <A, E>(
  database: MerchantDatabase,
  body: (read: Read) => Effect.Effect<A, E>
): Effect.Effect<A, E | ServiceUnavailable> => transaction(database, LOOKUP, body)

/**
 * Like {@link snapshot}, for reads whose work grows with what they are asked about. A merchant has one at a time: the rest
 * wait, so that however many are asked for, the pool's other connections are left to commands and lookups.
 */
export const analysis = <A, E>(
  database: MerchantDatabase,
  body: (read: Read) => Effect.Effect<A, E>
): Effect.Effect<A, E | ServiceUnavailable> => database.analyses.withPermit(transaction(database, ANALYSIS, body))

const transaction = <A, E>(
  database: MerchantDatabase,
  limits: string,
  body: (read: Read) => Effect.Effect<A, E>
): Effect.Effect<A, E | ServiceUnavailable> =>
  Effect.scoped(
    Effect.flatMap(database.connection, (connection) => {
      const run = (text: string, parameters?: ReadonlyArray<unknown>) =>
        connection.query(text, parameters).pipe(
          Effect.mapError(database.readFailure),
          Effect.catchTag("QueryFailed", Effect.die),
          Effect.map(({ rows }) => rows)
        )
      /** A transaction that did not begin or end as it should is nobody's to go on with. */
      const control = (text: string) => Effect.tapError(run(text), () => database.discard(connection))
      const read: Read = (text, parameters) =>
        Effect.map(run(text, parameters), (rows) => JSON.parse(String(rows[0]?.json)))
      // The body's first statement goes out together with the beginning.
      return Effect.all([control(BEGIN), control(limits), Effect.result(body(read))], {
        concurrency: "unbounded"
      }).pipe(Effect.flatMap(([, , result]) => Effect.andThen(control("COMMIT"), Effect.fromResult(result))))
    })
  )
