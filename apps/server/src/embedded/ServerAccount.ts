import { readFile, stat } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { runCommand } from "./Command.ts"
import { HomeUnusable } from "./EmbeddedPostgresError.ts"
import { attempt } from "./Home.ts"

/** The unprivileged account that runs PostgreSQL when this process is root, which PostgreSQL refuses to be. */
export interface ServerAccount {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** `postgres` where the system has it, else `nobody`, which every system has. initdb wants an account with a name. */
const candidates = ["postgres", "nobody"]

/**
 * The account to run PostgreSQL under; `undefined` is the account of this process.
 *
 * Data that exist decide: only their owner may serve them, whatever accounts were added to the machine since.
 */
export const serverAccount = Effect.fnUntraced(function* (home: string, dataDirectory: string | undefined) {
  if (process.getuid?.() !== 0) return undefined
  const accounts = parse(yield* attempt(home, () => readFile("/etc/passwd", "utf8")))
  if (dataDirectory !== undefined) {
    const { uid } = yield* attempt(home, () => stat(dataDirectory))
    const owner = accounts.find((account) => account.uid === uid && uid !== 0)
    if (owner !== undefined) return yield* usable(home, owner)
    return yield* new HomeUnusable({
      home,
      problem: `${dataDirectory} belongs to the uid ${uid}, and PostgreSQL can only run as an account of /etc/passwd other than root`
    })
  }
  for (const name of candidates) {
    const account = accounts.find((account) => account.name === name && account.uid !== 0)
    if (account !== undefined) return yield* usable(home, account)
  }
  return yield* new HomeUnusable({
    home,
    problem: "PostgreSQL does not run as root and /etc/passwd has neither an account postgres nor nobody"
  })
})

/** Root without the capabilities to give files away and to change its uid, as in a hardened container, is of no help. */
const usable = Effect.fnUntraced(function* (home: string, account: ServerAccount) {
  const { output, status } = yield* runCommand("/bin/sh", ["-c", ":"], { account })
  if (status === 0) return account
  const problem = `PostgreSQL does not run as root, and root may not become ${account.name} here (${output}): start the service as another account`
  return yield* new HomeUnusable({ home, problem })
})

const parse = (passwd: string): ReadonlyArray<ServerAccount> =>
  passwd.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":")
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : []
  })
