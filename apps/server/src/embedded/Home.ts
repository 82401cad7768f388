import { chmod, chown, type FileHandle, mkdir, open, readFile, realpath, rename, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { HomeUnusable } from "./EmbeddedPostgresError.ts"

/** The directory that holds everything the embedded PostgreSQL keeps, and the names in it. */
export interface Home {
  /** The home itself, absolute and free of symbolic links. */
  readonly directory: string
  /** Who gets the files made in it: set where root uses a home of another account, which must be able to use it again. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** The data, unless `record` says they are elsewhere. */
  readonly data: string
  /** The server's own log, and what it had written before the last start that found it grown large. */
  readonly log: string
  /** What must be found again: where the data are, the port, the superuser's password. Mode 0600. */
  readonly record: string
  /** A copy of the binaries, made only where those of the npm package cannot be used in place. */
  readonly binaries: string
  /** Held by the one process that is bringing the server up or leaving it. */
  readonly startLock: string
  /** Held, together, by every process that uses the running server. */
  readonly usersLock: string
  /** The named pipe that tells the server's guard when its last user has gone. */
  readonly lifeline: string
}

/** Runs a file operation; whatever it throws becomes a `HomeUnusable` with the system's own words. */
export const attempt = <A>(home: string, action: () => Promise<A>): Effect.Effect<A, HomeUnusable> =>
  Effect.tryPromise({ try: action, catch: (cause) => new HomeUnusable({ home, problem: words(cause) }) })

export const words = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** `undefined` where the file does not exist. */
export const readIfThere = (home: string, file: string): Effect.Effect<string | undefined, HomeUnusable> =>
  attempt(home, () => readFile(file, "utf8").catch(undefinedIfMissing))

/** For a `catch`: a file that is not there is no failure, anything else is. */
export const undefinedIfMissing = (cause: unknown): undefined => {
  if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined
  throw cause
}

/** Makes a directory of exactly this mode: what `mkdir` alone makes depends on the umask. */
export const makeDirectory = async (directory: string, mode: number): Promise<void> => {
  if ((await mkdir(directory, { recursive: true })) !== undefined) await chmod(directory, mode)
}

/** The record's name in every home. */
export const RECORD_FILE = "postgres.json"

/** Opens a file of the home, making it for its owner's eyes alone. */
export const openPrivate = async (home: Home, file: string, flags: "a" | "w"): Promise<FileHandle> => {
  const handle = await open(file, flags, 0o600)
  if (home.owner !== undefined) await handle.chown(home.owner.uid, home.owner.gid)
  return handle
}

/** Opens the home, making it where it is missing. The mode of a home that exists is left as it is. */
export const openHome = Effect.fnUntraced(function* (path: string) {
  const wanted = resolve(path)
  const isRoot = process.getuid?.() === 0
  const directory = yield* attempt(wanted, async () => {
    // Root's home must let the server's account pass on to the data; every secret in it has mode 0600.
    await makeDirectory(wanted, isRoot ? 0o711 : 0o700)
    return realpath(wanted)
  })
  const { gid, uid } = yield* attempt(directory, () => stat(directory))
  const owner = isRoot && uid !== 0 ? { uid, gid } : undefined
  const run = join(directory, "run")
  yield* attempt(directory, () => makeDirectory(run, 0o700))
  if (owner !== undefined) yield* attempt(directory, () => chown(run, owner.uid, owner.gid))
  const home: Home = {
    directory,
    owner,
    data: join(directory, "postgres"),
    log: join(directory, "postgres.log"),
    record: join(directory, RECORD_FILE),
    binaries: join(directory, "binaries"),
    startLock: join(run, "start.lock"),
    usersLock: join(run, "users.lock"),
    lifeline: join(run, "lifeline")
  }
  return home
})

/** What a home remembers of its server from one start to the next. */
export const ServerRecord = Schema.Struct({
  /** In the file relative to the home where the data are in it. */
  dataDirectory: Schema.String,
  /** False until initdb has finished: only then are missing data lost data. */
  initialised: Schema.Boolean,
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65535 })),
  superuserPassword: Schema.String
})
export type ServerRecord = typeof ServerRecord.Type

const RecordFile = Schema.fromJsonString(ServerRecord)

/** The record, with `dataDirectory` absolute; `undefined` in a new home. */
export const readRecord = Effect.fnUntraced(function* (home: Home) {
  const text = yield* readIfThere(home.directory, home.record)
  if (text === undefined) return undefined
  const record = yield* Schema.decodeUnknownEffect(RecordFile)(text).pipe(
    Effect.mapError(() => {
      const problem = `${home.record} is damaged: restore it, or remove ${home.directory} to start empty`
      return new HomeUnusable({ home: home.directory, problem })
    })
  )
  return { ...record, dataDirectory: resolve(home.directory, record.dataDirectory) }
})

/** Replaces the record in one step that survives a power cut: the password exists nowhere else. */
export const writeRecord = (home: Home, record: ServerRecord): Effect.Effect<void, HomeUnusable> =>
  attempt(home.directory, async () => {
    const fresh = `${home.record}.new`
    // A home can be moved, and its data with it.
    const dataDirectory = record.dataDirectory === home.data ? basename(home.data) : record.dataDirectory
    const file = await openPrivate(home, fresh, "w")
    try {
      await file.writeFile(`${JSON.stringify({ ...record, dataDirectory }, undefined, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(fresh, home.record)
    await syncDirectory(dirname(home.record))
  })

/** Makes the names in a directory durable. */
export const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
