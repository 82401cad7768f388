import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** A doc comment, and what stands right behind it. */
const COMMENT = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*/

/** `command("Operation.Open", …`, and whatever else of the contract's own functions makes an RPC of a name. */
const RPC = new RegExp(`${COMMENT.source}\\w+\\(\\s*"([A-Z][A-Za-z.]*)"`, "g")
const ERROR = new RegExp(`${COMMENT.source}export class (\\w+) extends Schema\\.TaggedError`, "g")

/** The text of a comment without its stars, paragraphs kept. */
const textOf = (comment: string): string =>
  comment
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trim())
    .join("\n")
    .trim()

const commentsIn = (folder: string, pattern: RegExp): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [...readFileSync(join(root, folder, file), "utf8").matchAll(pattern)])
      .map(([, comment = "", name = ""]) => [name, textOf(comment)])
  )

/** What the source of the contract says of each RPC, by its name. */
export const rpcComments = (): ReadonlyMap<string, string> => commentsIn("packages/rpc/src", RPC)

/** What it says of each error, by its tag. */
export const errorComments = (): ReadonlyMap<string, string> =>
  new Map([...commentsIn("packages/domain/src", ERROR), ...commentsIn("packages/rpc/src", ERROR)])
