import { readdir, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Binaries } from "./Binaries.ts"
import { runCommand } from "./Command.ts"
import { makeOwned } from "./DataPlace.ts"
import { ServerUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, makeDirectory, syncDirectory, undefinedIfMissing } from "./Home.ts"
import type { ServerAccount } from "./ServerAccount.ts"

/** Whether initdb has once finished here. */
export const isInitialised = (dataDirectory: string) =>
  attempt(
    dataDirectory,
    async () => (await stat(join(dataDirectory, "PG_VERSION")).catch(undefinedIfMissing)) !== undefined
  )

/**
 * Makes a new, empty data directory: UTF-8, ordered by code point alike on every machine, data checksums, and passwords only
 * as SCRAM. It is made aside and then renamed, so that an initdb cut off at any moment leaves nothing that looks finished.
 */
export const initialise = Effect.fn("EmbeddedPostgres.initialise")(function* (
  dataDirectory: string,
  binaries: Binaries,
  account: ServerAccount | undefined,
  superuserPassword: Redacted.Redacted
) {
  const parent = dirname(dataDirectory)
  const prefix = `${basename(dataDirectory)}.new-`
  const fresh = yield* attempt(parent, async () => {
    await makeDirectory(parent, 0o711)
    for (const name of (await readdir(parent)).filter((name) => name.startsWith(prefix))) {
      await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 })
    }
    return makeOwned(join(parent, prefix), account)
  })
  // The password comes through a pipe of the account's own: no file to leave behind, and a place it can open.
  const { output, status } = yield* runCommand(
    "/bin/sh",
    [
      ...["-c", 'cat | "$@"', "sh", binaries.initdb, "-D", fresh, "--username=postgres", "--pwfile=/dev/stdin"],
      ...["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C"],
      ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    ],
    { account, input: `${Redacted.value(superuserPassword)}\n` }
  )
  if (status !== 0) {
    yield* attempt(parent, () => rm(fresh, { recursive: true, force: true }))
    const problem = `initdb failed: ${/error: +(.*)/.exec(output)?.[1] ?? output.split("\n").at(-1) ?? status}`
    return yield* new ServerUnusable({ dataDirectory, problem })
  }
  yield* attempt(parent, async () => {
    await rename(fresh, dataDirectory)
    await syncDirectory(parent)
  })
})
