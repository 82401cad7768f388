import { constants } from "node:fs"
import { chown, type FileHandle, open, rm } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { runCommand } from "./Command.ts"
import { HomeUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, type Home } from "./Home.ts"

/*
 * The lifeline is a named pipe. Every process that uses the server holds its writing end, the server's guard the reading end:
 * the guard reads the end of the file when the last user has gone, by whatever death, SIGKILL included, and stops the server.
 */

const opened = (home: Home, flags: number): Effect.Effect<FileHandle, HomeUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(home.directory, () => open(home.lifeline, flags | constants.O_NOFOLLOW)),
    (handle) => Effect.promise(() => handle.close())
  )

/** Makes the pipe anew, whatever an earlier server's users still hold of theirs. */
export const makeLifeline = Effect.fnUntraced(function* (home: Home) {
  yield* attempt(home.directory, () => rm(home.lifeline, { force: true }))
  const { output, status } = yield* runCommand("mkfifo", ["-m", "600", home.lifeline], {})
  const { owner } = home
  if (status === 0 && owner !== undefined) {
    yield* attempt(home.directory, () => chown(home.lifeline, owner.uid, owner.gid))
  }
  if (status === 0) return
  const problem = `a named pipe cannot be made in it (${output}); choose another directory with CREDIT_HOME`
  return yield* new HomeUnusable({ home: home.directory, problem })
})

/**
 * The reading end, for the guard to inherit. The scope must close as soon as the guard has it: a reader of ours would be
 * taken for a guard. The writing end is held in `membership`.
 */
export const openLifeline = Effect.fnUntraced(function* (home: Home, membership: Scope.Scope) {
  // Either end waits for the other to be opened; one open to both directions waits for none.
  yield* opened(home, constants.O_RDWR)
  const reader = yield* opened(home, constants.O_RDONLY)
  yield* holdLifeline(home).pipe(Scope.provide(membership))
  return reader.fd
})

/** Whether a guard listens at this moment, be it where we cannot see its process: in another container. */
export const isGuarded = (home: Home): Effect.Effect<boolean, HomeUnusable> => Effect.scoped(holdLifeline(home))

/** Holds the lifeline of a running server until the scope closes; `false` if no guard listens. */
export const holdLifeline = Effect.fnUntraced(function* (
  home: Home
): Effect.fn.Return<boolean, HomeUnusable, Scope.Scope> {
  const handle = yield* Effect.acquireRelease(
    attempt(home.directory, () =>
      open(home.lifeline, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW).catch(undefinedIfUnheard)
    ),
    (handle) => Effect.promise(async () => handle?.close())
  )
  return handle !== undefined
})

const undefinedIfUnheard = (cause: unknown): undefined => {
  if (cause instanceof Error && "code" in cause && (cause.code === "ENXIO" || cause.code === "ENOENT")) return undefined
  throw cause
}
