import { closeSync, fstatSync, openSync, readFileSync } from "node:fs"
import { UsageProblem } from "../Problem.ts"

/** Reads a text file; `undefined` where there is none. Throws a {@link UsageProblem} for one that cannot be read. */
export const readIfThere = (file: string): { readonly text: string; readonly everybodyReads: boolean } | undefined => {
  let descriptor: number
  try {
    descriptor = openSync(file, "r")
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR"))
      return undefined
    throw unreadable(file, cause)
  }
  try {
    // The open file is asked, not its name: nobody can put another one in its place in between.
    const { mode } = fstatSync(descriptor)
    return { text: readFileSync(descriptor, "utf8"), everybodyReads: (mode & 0o004) !== 0 }
  } catch (cause) {
    throw unreadable(file, cause)
  } finally {
    closeSync(descriptor)
  }
}

const unreadable = (file: string, cause: unknown): UsageProblem =>
  new UsageProblem({
    message: `${file} cannot be read (${cause instanceof Error && "code" in cause ? cause.code : "unknown"})`
  })

/** A token that everybody on the machine can read is no secret: refused, as ssh refuses such keys. */
export const refuseIfEverybodyReads = (
  file: string,
  { everybodyReads }: { readonly everybodyReads: boolean }
): void => {
  if (!everybodyReads) return
  throw new UsageProblem({
    message: `${file} holds a token, and everybody on this machine can read it`,
    hint: `chmod 600 ${file}`
  })
}

/** The token in a file of its own. */
export const readToken = (file: string): string => {
  const found = readIfThere(file)
  if (found === undefined) throw new UsageProblem({ message: `There is no token file ${file}` })
  refuseIfEverybodyReads(file, found)
  const token = found.text.trim()
  if (!/^[!-~]+$/.test(token)) throw new UsageProblem({ message: `${file} does not hold one token in one line` })
  return token
}
