import { type Command, decideBatch, type Result, type State } from "@credit/domain/decide"
import type { EntryState } from "@credit/domain/LedgerEntry"
import type { NewId } from "@credit/domain/Uuid"
import type { PgConnection, Result as QueryResult } from "@effect/sql-pg/PgConnection"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"
import { BatchError, classify } from "./BatchError.ts"
import { closedOperations, decodeClosings, decodeState, LOAD_CLOSINGS, loadStatement } from "./Load.ts"
import { lockStatement } from "./Lock.ts"
import { needsOf } from "./Needs.ts"
import type { Statement } from "./Statement.ts"
import { isExclusive, mayBegin, namedOperation, namedPurchase, namedUser } from "./Submission.ts"
import { writes } from "./Write.ts"

export interface BatchOptions {
  /** What to do about an account that somebody else holds: leave its commands out, or wait for it. */
  readonly busy: "skip" | "wait"
  /** Users whose account may not exist yet. */
  readonly maybeNew: ReadonlyArray<string>
  readonly newId: NewId
  /** How long one flight of statements may stay unanswered before the connection counts as dead. */
  readonly silence: Duration.Duration
}

/** What became of a batch: the answers in the commands' order, `undefined` for commands whose account is busy. */
export interface BatchOutcome {
  readonly results: ReadonlyArray<Result | undefined>
  /** The user of each command, where it has one. */
  readonly users: ReadonlyArray<string | undefined>
  /** The entries it wrote. */
  readonly entries: ReadonlyArray<EntryState>
}

/**
 * Runs commands in one transaction: lock, load, decide, write. Two flights of pipelined statements: the load does not
 * wait for the locks' answer (each statement has a snapshot of its own, taken after those before it were done), and the
 * COMMIT does not wait for the writes' (the statements themselves refuse what was not written as meant).
 */
export const runBatch = Effect.fnUntraced(function* (
  connection: PgConnection,
  commands: ReadonlyArray<Command>,
  options: BatchOptions
): Effect.fn.Return<BatchOutcome, BatchError> {
  const { locked, loaded } = yield* lockAndLoad(connection, commands, options)
  const users = commands.map((command) => userOf(command, loaded))
  const ready = commands.map((command, index) => isReady(command, users[index], locked, loaded))
  const chosen = commands.filter((_, index) => ready[index])
  if (chosen.length === 0) {
    yield* rollback(connection, options)
    return { results: commands.map(() => undefined), users, entries: [] }
  }
  const state = yield* withClosings(connection, loaded, chosen, options)
  const decided = yield* Effect.try({
    try: () => decideBatch(state, chosen, options.newId),
    catch: (cause) => new BatchError({ kind: "rejected", committing: false, cause })
  }).pipe(Effect.tapError(() => rollback(connection, options)))
  const statements = writes(decided.facts, state.now, options.newId)
  const decidedResults = decided.results.values()
  const results = ready.map((is) => (is ? decidedResults.next().value : undefined))
  if (statements.length === 0) {
    // Nothing is left behind, new accounts neither: in maintenance not even those are written. So they are not known.
    yield* rollback(connection, options)
    return { results, users: users.map((user, index) => (ready[index] ? undefined : user)), entries: [] }
  }
  yield* flight(connection, [...statements, { sql: "COMMIT", parameters: [] }], options, true)
  return { results, users, entries: decided.facts.entries }
})

const userOf = (command: Command, state: State): string | undefined =>
  namedUser(command) ??
  state.operations.get(namedOperation(command) ?? "")?.userId ??
  state.purchases.get(namedPurchase(command) ?? "")?.userId

/**
 * Whether a command may be decided on what was loaded: its account is locked; or it is not there, which is all that a
 * command needs to know that cannot make one; or it is a dry run, which writes nothing.
 */
const isReady = (command: Command, user: string | undefined, locked: ReadonlySet<string>, state: State): boolean =>
  user === undefined || locked.has(user) || command.dryRun || (!mayBegin(command) && !state.accounts.has(user))

const lockAndLoad = Effect.fnUntraced(function* (
  connection: PgConnection,
  commands: ReadonlyArray<Command>,
  options: BatchOptions
) {
  const needs = needsOf(commands)
  const { busy, maybeNew } = options
  const exclusive = commands.some(isExclusive)
  const receipts = commands.some(({ intent }) => intent.type === "Purchase.Settled")
  // The load is a statement of its own, behind the one that locks: it sees what the locks waited for.
  const statements = [
    { sql: "BEGIN", parameters: [] },
    lockStatement(needs, { busy, exclusive, maybeNew, receipts }),
    loadStatement(needs)
  ]
  const [, locks, state] = yield* flight(connection, statements, options, false).pipe(
    Effect.tapError((error) => (error.kind === "connection" ? Effect.void : rollback(connection, options)))
  )
  return {
    locked: new Set(lockedUsers(locks)),
    loaded: decodeState(onlyText(state))
  }
})

/** Adds what closes that are asked again need; most batches have none. */
const withClosings = Effect.fnUntraced(function* (
  connection: PgConnection,
  state: State,
  commands: ReadonlyArray<Command>,
  options: BatchOptions
) {
  const closed = closedOperations(state, commands)
  if (closed.length === 0) return state
  const statement = { sql: LOAD_CLOSINGS, parameters: [closed] }
  const [answer] = yield* flight(connection, [statement], options, false).pipe(
    Effect.tapError((error) => (error.kind === "connection" ? Effect.void : rollback(connection, options)))
  )
  return { ...state, closings: decodeClosings(onlyText(answer)) }
})

const lockedUsers = (answer: QueryResult | undefined): ReadonlyArray<string> => {
  const users = answer?.rows[0]?.users
  if (!Array.isArray(users)) throw new Error("The locks answered no list")
  return users.map(String)
}

const onlyText = (answer: QueryResult | undefined): string => {
  const text = answer?.rows[0]?.loaded
  if (typeof text !== "string") throw new Error("The load answered no text")
  return text
}

/**
 * Sends statements at once, in their order, and waits for all answers. The first failure is the flight's: those behind it
 * fail only because the transaction is aborted, and a COMMIT among them rolls back.
 */
const flight = (
  connection: PgConnection,
  statements: ReadonlyArray<Statement>,
  options: BatchOptions,
  commits: boolean
): Effect.Effect<ReadonlyArray<QueryResult>, BatchError> =>
  Effect.all(
    statements.map(({ parameters, sql }) => Effect.exit(connection.query(sql, parameters))),
    { concurrency: "unbounded" }
  ).pipe(
    Effect.timeoutOrElse({
      duration: options.silence,
      orElse: () => Effect.fail(new BatchError({ kind: "connection", committing: commits, cause: "no answer" }))
    }),
    Effect.flatMap((exits) => collect(exits, commits))
  )

const collect = (
  exits: ReadonlyArray<Exit.Exit<QueryResult, SqlError>>,
  commits: boolean
): Effect.Effect<ReadonlyArray<QueryResult>, BatchError> => {
  const answers: Array<QueryResult> = []
  for (const exit of exits) {
    if (Exit.isFailure(exit)) {
      return Effect.failCause(Cause.map(exit.cause, (error) => classify(error, commits)))
    }
    answers.push(exit.value)
  }
  if (commits && answers.at(-1)?.command !== "COMMIT") {
    return Effect.fail(new BatchError({ kind: "rejected", committing: false, cause: "COMMIT rolled back" }))
  }
  return Effect.succeed(answers)
}

/** Ends the transaction without writing. A rollback that fails leaves a connection that must not be used again. */
const rollback = (connection: PgConnection, options: BatchOptions): Effect.Effect<void, BatchError> =>
  Effect.asVoid(flight(connection, [{ sql: "ROLLBACK", parameters: [] }], options, false))
