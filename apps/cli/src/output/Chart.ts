import type { Block } from "./Block.ts"
import { credits } from "./Words.ts"

/** A value that holds from an instant (epoch milliseconds) until the next one's. */
export interface Step {
  readonly at: number
  readonly value: number
}

const HEIGHT = 12
const MOST_COLUMNS = 100

/** A stepped line over time: each column shows the value at its end, joined to the column before. */
export const chart =
  (steps: ReadonlyArray<Step>, from: number, to: number): Block =>
  ({ paint, width }) => {
    const lowest = Math.min(0, ...steps.map(({ value }) => value))
    const highest = Math.max(1, ...steps.map(({ value }) => value))
    const labels = Array.from({ length: HEIGHT }, (_, row) =>
      credits(Math.round(highest - ((highest - lowest) * row) / (HEIGHT - 1)))
    )
    const margin = Math.max(...labels.map(({ length }) => length))
    const columns = Math.max(10, Math.min(MOST_COLUMNS, width) - margin - 2)
    const rowOf = (value: number) => Math.round(((highest - value) / (highest - lowest)) * (HEIGHT - 1))
    const rows = sample(steps, from, to, columns).map(rowOf)
    const grid = plot(rows, columns)
    const lines = grid.map(
      (cells, row) => `${paint.dim(`${(labels[row] ?? "").padStart(margin)} ┤`)}${paint.cyan(cells)}`
    )
    return [
      ...lines,
      paint.dim(`${" ".repeat(margin + 1)}└${"─".repeat(columns)}`),
      axis(from, to, margin, columns)
    ].join("\n")
  }

/** The value at the end of each column. */
const sample = (steps: ReadonlyArray<Step>, from: number, to: number, columns: number): ReadonlyArray<number> => {
  const values: Array<number> = []
  let next = 0
  let value = 0
  for (let column = 1; column <= columns; column++) {
    const end = from + ((to - from) * column) / columns
    for (let step = steps[next]; step !== undefined && step.at <= end; step = steps[++next]) value = step.value
    values.push(value)
  }
  return values
}

const plot = (rows: ReadonlyArray<number>, columns: number): ReadonlyArray<string> => {
  const grid = Array.from({ length: HEIGHT }, () => Array.from({ length: columns }, () => " "))
  const put = (row: number, column: number, mark: string) => {
    const cells = grid[row]
    if (cells !== undefined) cells[column] = mark
  }
  let before = rows[0] ?? 0
  rows.forEach((row, column) => {
    if (row === before) {
      put(row, column, "─")
    } else {
      const up = row < before
      put(before, column, up ? "╯" : "╮")
      put(row, column, up ? "╭" : "╰")
      for (let between = Math.min(row, before) + 1; between < Math.max(row, before); between++)
        put(between, column, "│")
    }
    before = row
  })
  return grid.map((cells) => cells.join("").trimEnd())
}

/** When the chart begins and ends. */
const axis = (from: number, to: number, margin: number, columns: number): string => {
  const [left, right] = [from, to].map((at) => new Date(at).toISOString().slice(0, 16).replace("T", " "))
  return `${" ".repeat(margin + 2)}${left}${`${right}Z`.padStart(columns - (left?.length ?? 0))}`
}
