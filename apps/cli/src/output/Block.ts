import { displayWidth } from "effect/cli/CliOutput"
import { plain, type Style } from "./Style.ts"

/** A part of an answer for people, laid out once the terminal is known. Ends without a line break. */
export type Block = (style: Style) => string

/** Lines as they are. */
export const text =
  (...lines: ReadonlyArray<string>): Block =>
  () =>
    lines.join("\n")

/** A line that says that all is well, or what was done. */
export const done =
  (line: string): Block =>
  ({ paint }) =>
    paint.green(line)

/** A line above a table or a list of fields. */
export const heading =
  (line: string): Block =>
  ({ paint }) =>
    paint.bold(line)

/** Blocks below each other, an empty line between them. */
export const stack =
  (...blocks: ReadonlyArray<Block | undefined>): Block =>
  (style) =>
    blocks
      .filter((block) => block !== undefined)
      .map((block) => block(style))
      .filter((block) => block !== "")
      .join("\n\n")

/** What a field shows; `undefined` and the empty text leave it out. */
export type FieldValue = string | number | boolean | undefined

/** Names with their values, one a line; a value too long for the terminal goes on below itself. */
export const fields =
  (entries: Readonly<Record<string, FieldValue>>): Block =>
  (style) => {
    const rows = Object.entries(entries).flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [[name, plain(show(value))] as const]
    )
    const indent = Math.max(0, ...rows.map(([name]) => displayWidth(name))) + 2
    return rows
      .map(([name, value]) => {
        const lines = wrap(value, style.width - indent)
        return `${style.paint.dim(pad(name, indent))}${lines.join(`\n${" ".repeat(indent)}`)}`
      })
      .join("\n")
  }

const show = (value: string | number | boolean): string =>
  typeof value === "boolean" ? (value ? "yes" : "no") : `${value}`

export const pad = (text: string, width: number): string =>
  `${text}${" ".repeat(Math.max(0, width - displayWidth(text)))}`

export const padLeft = (text: string, width: number): string =>
  `${" ".repeat(Math.max(0, width - displayWidth(text)))}${text}`

/** Breaks a text between words into lines of at most `width`; a longer word stays whole, so that it can be copied. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`
    if (line !== "" && displayWidth(longer) > width) {
      lines.push(line)
      line = word
    } else {
      line = longer
    }
  }
  return [...lines, line]
}
