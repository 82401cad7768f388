import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"

/** What PostgreSQL says when it refuses. */
export interface Refusal {
  readonly code: string
  readonly message: string
  readonly constraint: string | undefined
  readonly table: string | undefined
}

/** One connection to a database, for tests that say exactly what happens in which session and when. */
export interface Session {
  readonly processId: number
  /** Runs one statement. */
  query(sql: string, parameters?: ReadonlyArray<unknown>): Promise<ReadonlyArray<PgConnection.Row>>
  /** Runs one statement that must be refused; rejects if it is not. */
  refusal(sql: string, parameters?: ReadonlyArray<unknown>): Promise<Refusal>
  close(): Promise<void>
}

export const openSession = async (url: string): Promise<Session> => {
  const scope = await Effect.runPromise(Scope.make())
  const connection = await Effect.runPromise(
    PgConnection.make({ url: Redacted.make(url), applicationName: "credit-tests" }).pipe(
      Effect.provideService(Scope.Scope, scope)
    )
  )
  return {
    processId: connection.processId,
    query: (sql, parameters) =>
      Effect.runPromise(
        connection.query(sql, parameters).pipe(
          Effect.map(({ rows }) => rows),
          Effect.mapError((error) => error.reason.cause)
        )
      ),
    refusal: (sql, parameters) =>
      Effect.runPromise(
        connection.query(sql, parameters).pipe(
          Effect.flip,
          Effect.map(refusalOf),
          Effect.mapError(() => new Error(`was not refused: ${sql}`))
        )
      ),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Resolves once one session waits for a lock that another holds; the observer asks the server until it does. */
export const blockedBy = async (observer: Session, waiting: Session, holder: Session): Promise<void> => {
  for (;;) {
    const [row] = await observer.query("SELECT $2::integer = ANY (pg_blocking_pids($1::integer)) AS blocked", [
      waiting.processId,
      holder.processId
    ])
    if (row?.blocked === true) return
  }
}

const refusalOf = (error: SqlError): Refusal => {
  const cause = error.reason.cause
  const property = (name: string): string | undefined => {
    const value: unknown = typeof cause === "object" && cause !== null ? Reflect.get(cause, name) : undefined
    return typeof value === "string" ? value : undefined
  }
  return {
    code: property("code") ?? error.reason._tag,
    message: property("message") ?? error.message,
    constraint: property("constraint"),
    table: property("table")
  }
}
