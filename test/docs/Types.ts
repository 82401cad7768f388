import type * as SchemaAST from "effect/SchemaAST"

/** A field of a payload, an answer or an error, with its place in it. */
export interface Field {
  readonly name: string
  readonly optional: boolean
  /** In Markdown. */
  readonly type: string
}

/** The named shapes that types refer to; filled while they are described. */
export type Shapes = Map<string, SchemaAST.AST>

/** Describes schemas in words, from what the schemas themselves say: kinds, bounds, and the names of shapes. */
export class Types {
  /** Every named shape met so far. */
  readonly shapes: Shapes = new Map()

  /** The type of a value in Markdown: words, or a link to a shape. */
  describe(ast: SchemaAST.AST): string {
    const identifier = nameOf(ast)
    if (identifier !== undefined) {
      this.shapes.set(identifier, ast)
      return `[${identifier}](#${identifier.toLowerCase()})`
    }
    return this.spelledOut(ast)
  }

  /** The fields of an object; those of objects within it that have no name of their own come after it, with a dot. */
  fields(ast: SchemaAST.AST, prefix = ""): ReadonlyArray<Field> {
    if (ast._tag !== "Objects") return []
    return ast.propertySignatures.flatMap(({ name, type }): ReadonlyArray<Field> => {
      const field = { name: `${prefix}${String(name)}`, optional: type.context?.isOptional ?? false }
      return type._tag === "Objects" && nameOf(type) === undefined && type.propertySignatures.length > 0
        ? [{ ...field, type: "an object" }, ...this.fields(type, `${field.name}.`)]
        : [{ ...field, type: this.describe(type) }]
    })
  }

  /** What a type is, whether it has a name or not. */
  spelledOut(ast: SchemaAST.AST): string {
    const bounds = boundsOf(ast)
    switch (ast._tag) {
      case "String":
        return bounds.length === 0 ? "text" : inCell(bounds.join(", "))
      case "Number":
        return bounds.length === 0 ? "a number" : inCell(bounds.join(", "))
      case "Boolean":
        return "`true` or `false`"
      case "Null":
        return "`null`"
      case "Literal":
        return `\`${JSON.stringify(ast.literal)}\``
      case "Union":
        return ast.types.map((member) => this.describe(member)).join(" or ")
      case "Arrays": {
        const items = ast.rest.map((item) => this.describe(item)).join(" or ")
        return `a list of ${items}${bounds.length === 0 ? "" : inCell(` (${bounds.join(", ")})`)}`
      }
      case "Objects": {
        const fields = this.fields(ast).map(({ name, optional, type }) => `${name}${optional ? "?" : ""}: ${type}`)
        return fields.length === 0 ? "an object" : `{ ${fields.join(", ")} }`
      }
      default:
        return textOf(ast.annotations?.description) ?? "any JSON"
    }
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

export const nameOf = (ast: SchemaAST.AST): string | undefined => textOf(ast.annotations?.identifier)

/** Pipes end a cell of a table. */
const inCell = (text: string): string => text.replaceAll("|", "\\|")

/** What the checks of a schema expect, in words. */
const boundsOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  (ast.checks ?? []).flatMap((check) => {
    const expected = textOf(check.annotations?.expected)
    // Every number of JSON is finite.
    if (expected === undefined || expected === "a finite number") return []
    return [WORDS.reduce((text, [from, to]) => text.replace(from, to), expected)]
  })

const WORDS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^an integer$/, "a whole number"],
  [/^a value between (\S+) and (\S+)$/, "$1 to $2"],
  [/^a value with a length between (\S+) and (\S+)$/, "$1 to $2 characters"],
  [/^a value with a length of at least (\S+)$/, "at least $1"],
  [/^a value with a length of at most (\S+)$/, "at most $1"],
  [/^a string matching the RegExp (.*)$/, "text of the form `$1`"]
]
