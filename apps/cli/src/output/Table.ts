import { displayWidth } from "effect/cli/CliOutput"
import { type Block, fields, pad, padLeft } from "./Block.ts"
import { plain, type Style } from "./Style.ts"

/** A column of a table over rows of one kind. */
export interface Column<Row> {
  readonly title: string
  /** `undefined` shows as `-`. */
  readonly value: (row: Row) => string | number | undefined
  /** Numbers stand to the right. */
  readonly right?: boolean
  /** May be cut short where the terminal is narrow: for what is told in full elsewhere, never for what is typed again. */
  readonly shrink?: boolean
  /** What tells its values apart is at their end, as with ids: then it is the beginning that is cut. */
  readonly tail?: boolean
}

const GAP = 2
const LEAST = 8

/**
 * Rows below each other. Where they do not fit the terminal, columns that may shrink do; if that is not enough, every row
 * becomes a list of fields: nothing runs over the edge, and what is typed again is never cut.
 */
export const table =
  <Row>(columns: ReadonlyArray<Column<Row>>, rows: ReadonlyArray<Row>, empty: string): Block =>
  (style) => {
    if (rows.length === 0) return style.paint.dim(empty)
    const cells = rows.map((row) => columns.map(({ value }) => plain(`${value(row) ?? "-"}`)))
    const widths = fit(columns, cells, style.width)
    return widths === undefined
      ? records(columns, cells, style)
      : [
          style.paint.bold(line(columns, titles(columns), widths)),
          ...cells.map((row) => line(columns, row, widths))
        ].join("\n")
  }

const titles = <Row>(columns: ReadonlyArray<Column<Row>>) => columns.map(({ title }) => title.toUpperCase())

const line = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  cells: ReadonlyArray<string>,
  widths: ReadonlyArray<number>
): string =>
  columns
    .map(({ right = false, tail = false }, index) => {
      const width = widths[index] ?? 0
      const cell = shorten(cells[index] ?? "", width, tail)
      return right ? padLeft(cell, width) : pad(cell, width)
    })
    .join(" ".repeat(GAP))
    .trimEnd()

/** The width of every column, or `undefined` if they cannot be made to fit. */
const fit = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  cells: ReadonlyArray<ReadonlyArray<string>>,
  available: number
): ReadonlyArray<number> | undefined => {
  const widths = titles(columns).map((title, index) =>
    cells.reduce((widest, row) => Math.max(widest, displayWidth(row[index] ?? "")), displayWidth(title))
  )
  let excess = widths.reduce((sum, width) => sum + width, GAP * (columns.length - 1)) - available
  while (excess > 0) {
    const widest = columns.reduce<number | undefined>((found, { shrink = false }, index) => {
      const width = widths[index] ?? 0
      return shrink && width > LEAST && (found === undefined || width > (widths[found] ?? 0)) ? index : found
    }, undefined)
    if (widest === undefined) return undefined
    widths[widest] = (widths[widest] ?? 0) - 1
    excess -= 1
  }
  return widths
}

const records = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  cells: ReadonlyArray<ReadonlyArray<string>>,
  style: Style
): string =>
  cells
    .map((row) => fields(Object.fromEntries(columns.map(({ title }, index) => [title, row[index]])))(style))
    .join("\n\n")

/** Cuts one character after the other, until the text and its ellipsis fit. */
const shorten = (text: string, width: number, tail: boolean): string => {
  if (displayWidth(text) <= width) return text
  let kept = [...text]
  while (kept.length > 0 && displayWidth(kept.join("")) > width - 1) kept = tail ? kept.slice(1) : kept.slice(0, -1)
  return tail ? `…${kept.join("")}` : `${kept.join("")}…`
}
