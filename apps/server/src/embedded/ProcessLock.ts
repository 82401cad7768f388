import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { HomeUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, type Home, openPrivate, words } from "./Home.ts"

/*
 * Locks between processes that the kernel releases with their holder, however it ends. Node has no `flock`, and a file with
 * a pid in it outlives its writer; SQLite's own locking of an (empty) database file is the lock that comes with Node.
 */

export type Mode = "exclusive" | "shared"

/** Takes the lock at once and holds it until the scope closes; `false` if another process, or scope, is in the way. */
export const tryHold = Effect.fnUntraced(function* (
  home: Home,
  file: string,
  mode: Mode
): Effect.fn.Return<boolean, HomeUnusable, Scope.Scope> {
  // SQLite would make the file by the umask; whoever can read a file can lock it.
  yield* attempt(home.directory, async () => (await openPrivate(home, file, "a")).close())
  const held = yield* Effect.acquireRelease(
    Effect.try({
      try: () => lock(file, mode),
      catch: (cause) => new HomeUnusable({ home: home.directory, problem: `${file}: ${words(cause)}` })
    }),
    (database) => Effect.sync(() => database?.close())
  )
  return held !== undefined
})

/** Whether somebody else, in this or another process, holds the lock in any mode at this moment. */
export const isHeld = (home: Home, file: string): Effect.Effect<boolean, HomeUnusable> =>
  Effect.scoped(Effect.map(tryHold(home, file, "exclusive"), (free) => !free))

const SQLITE_BUSY = 5

const lock = (file: string, mode: Mode): DatabaseSync | undefined => {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    if (mode === "exclusive") database.exec("BEGIN EXCLUSIVE")
    // A shared lock comes with the first read, not with BEGIN.
    else database.exec("BEGIN; SELECT 1 FROM sqlite_schema")
    return database
  } catch (cause) {
    database.close()
    if (cause instanceof Error && "errcode" in cause && Number(cause.errcode) % 256 === SQLITE_BUSY) return undefined
    throw cause
  }
}
