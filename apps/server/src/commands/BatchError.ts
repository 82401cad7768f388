import * as Data from "effect/Data"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

/**
 * Why a batch did not end. Nothing of it is in the database, unless `committing` says that the answer to the COMMIT was
 * lost.
 */
export class BatchError extends Data.TaggedError("BatchError")<{
  /**
   * - `rerun`: it met another writer (a unique key, a deadlock, a lock timeout): the same batch can succeed.
   * - `partition`: an entry's month has no partition yet.
   * - `connection`: the connection was lost or went silent.
   * - `rejected`: the database, or a decision, refused it for what it contains: one of its commands may be poisoned.
   */
  readonly kind: "rerun" | "partition" | "connection" | "rejected"
  readonly committing: boolean
  readonly cause: unknown
}> {}

/** SQLSTATEs after which the whole transaction is gone and the same batch may be run again. */
const RERUN = new Set([
  "40001", // serialization failure
  "40P01", // deadlock
  "55P03", // lock timeout
  "57014", // statement timeout
  "23505", // a unique key: another batch wrote the same key, payment reference or grant
  "CR001", // an account was moved by a writer that took no lock
  "CR005" // a key was written by another batch
])

/** SQLSTATE classes that speak of the server, not of the statement. */
const CONNECTION = /^(?:08|57P|53|58)/

/** The SQLSTATE of a database error, if it has one. */
export const sqlState = (error: SqlError): string | undefined => {
  const cause: unknown = error.reason.cause
  if (typeof cause !== "object" || cause === null || !("code" in cause)) return undefined
  return typeof cause.code === "string" ? cause.code : undefined
}

const mentionsPartition = (error: SqlError): boolean => {
  const cause: unknown = error.reason.cause
  return cause instanceof Error && cause.message.includes("no partition of relation")
}

export const classify = (error: SqlError, committing: boolean): BatchError => {
  const state = sqlState(error)
  const kind =
    state === undefined
      ? error.reason._tag === "ConnectionError"
        ? "connection"
        : "rejected"
      : RERUN.has(state)
        ? "rerun"
        : state === "23514" && mentionsPartition(error)
          ? "partition"
          : CONNECTION.test(state)
            ? "connection"
            : "rejected"
  return new BatchError({ kind, committing: committing && kind === "connection", cause: error })
}

/**
 * What is logged of a cause. Of what the database says, its code and its own message: the detail beside them quotes rows,
 * payment references among them.
 */
export const loggable = ({ cause }: BatchError): unknown => {
  if (!isSqlError(cause)) return cause
  const inner: unknown = cause.reason.cause
  return `${sqlState(cause) ?? cause.reason._tag}: ${inner instanceof Error ? inner.message : cause.reason.message}`
}
