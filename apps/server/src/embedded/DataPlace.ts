import { createHash, randomBytes } from "node:crypto"
import { chown, mkdtemp, readdir, rm, rmdir, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { runCommand } from "./Command.ts"
import { HomeUnusable } from "./EmbeddedPostgresError.ts"
import { attempt, type Home, makeDirectory, RECORD_FILE, readIfThere } from "./Home.ts"
import { postmasterState } from "./PostmasterFile.ts"
import type { ServerAccount } from "./ServerAccount.ts"

/**
 * Chooses where a new server's data go: into the home. Only if the server's account cannot reach that (root's home is closed
 * to all others) they go into a directory of their own below `systemDirectory`, which the home's record then names.
 */
export const choosePlace = Effect.fnUntraced(function* (
  home: Home,
  account: ServerAccount | undefined,
  systemDirectory: string
) {
  if (account === undefined || (yield* canServeFrom(home.directory, account))) return home.data
  const prefix = placePrefix(home)
  yield* attempt(systemDirectory, () => makeDirectory(systemDirectory, 0o755))
  yield* tidyLeftBehind(home, systemDirectory, prefix)
  const place = join(systemDirectory, `${prefix}${randomBytes(4).toString("hex")}`)
  yield* attempt(systemDirectory, async () => {
    await makeDirectory(place, 0o711)
    // For a person who finds the directory and wonders.
    await writeFile(join(place, HOME_FILE), `${home.directory}\n`)
  })
  if (!(yield* canServeFrom(place, account))) {
    yield* attempt(systemDirectory, () => rm(place, { recursive: true }))
    const problem = `neither it nor ${systemDirectory} can be reached by the account ${account.name}; choose another directory with CREDIT_HOME`
    return yield* new HomeUnusable({ home: home.directory, problem })
  }
  return join(place, "postgres")
})

const HOME_FILE = "home"

/**
 * Makes sure that data outside the home are this home's alone. A home that was moved takes them over; one that was copied
 * must not share them with the original, whose server would find them changed under it.
 */
export const claimPlace = Effect.fnUntraced(function* (home: Home, dataDirectory: string) {
  if (dataDirectory === home.data) return
  const mark = join(dirname(dataDirectory), HOME_FILE)
  const owner = (yield* readIfThere(home.directory, mark))?.trim()
  if (owner === home.directory) return
  if (owner !== undefined && (yield* readIfThere(home.directory, join(owner, RECORD_FILE)))?.includes(dataDirectory)) {
    const problem = `it is a copy of ${owner}, whose data are in ${dataDirectory}; remove ${home.record} to start empty`
    return yield* new HomeUnusable({ home: home.directory, problem })
  }
  yield* attempt(home.directory, () => writeFile(mark, `${home.directory}\n`))
})

const placePrefix = (home: Home) => `${createHash("sha256").update(home.directory).digest("hex").slice(0, 12)}-`

/** Makes a directory as initdb will, and asks the account itself: a mode bit does not tell the whole way there. */
const canServeFrom = Effect.fnUntraced(function* (directory: string, account: ServerAccount) {
  const trial = yield* attempt(directory, () => makeOwned(join(directory, "postgres.new-"), account)).pipe(
    // Some file systems do not let even root give files away; that is an answer too.
    Effect.catch((error) => Effect.as(Effect.logDebug("No place for PostgreSQL's data", error.message), undefined))
  )
  if (trial === undefined) return false
  const { status } = yield* runCommand("/bin/sh", ["-c", 'test -x "$1" && test -w "$1"', "sh", trial], { account })
  yield* attempt(directory, () => rmdir(trial))
  return status === 0
})

/** A fresh empty directory, mode 0700, that belongs to the account. */
export const makeOwned = async (prefix: string, account: ServerAccount | undefined): Promise<string> => {
  const directory = await mkdtemp(prefix)
  if (account !== undefined) {
    await chown(directory, account.uid, account.gid).catch(async (cause: unknown) => {
      await rmdir(directory)
      throw cause
    })
  }
  return directory
}

/**
 * Earlier data of this home, which was removed since: it could not take them along. The newest stay, because a home can also
 * be missing for a moment (a disk not mounted); older ones go.
 */
const tidyLeftBehind = Effect.fnUntraced(function* (home: Home, systemDirectory: string, prefix: string) {
  const left = yield* attempt(systemDirectory, async () => {
    const names = (await readdir(systemDirectory)).filter((name) => name.startsWith(prefix))
    const places = names.map((name) => join(systemDirectory, name))
    const ages = await Promise.all(places.map(async (place) => ({ place, at: (await stat(place)).mtimeMs })))
    return ages.toSorted((a, b) => b.at - a.at).map(({ place }) => place)
  })
  for (const [index, place] of left.entries()) {
    const inUse = (yield* postmasterState(join(place, "postgres")))._tag === "Running"
    if (index === 0 || inUse) {
      yield* Effect.logWarning(
        `${place} holds PostgreSQL data of an earlier ${home.directory}${inUse ? ", still being served" : ""}; if nobody needs them: rm -r ${place}`
      )
    } else {
      yield* attempt(systemDirectory, () => rm(place, { recursive: true, force: true, maxRetries: 3 }))
      yield* Effect.logInfo(`Removed ${place}, PostgreSQL data of an earlier ${home.directory}`)
    }
  }
})
