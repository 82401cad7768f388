/** One request of an LLM inference trace. */
export interface TraceRequest {
  /** Its place in the file, from 1, the header not counted. */
  readonly row: number
  /** When it was made: epoch milliseconds, UTC. */
  readonly at: number
  /** Tokens that went in, and tokens that came out. */
  readonly contextTokens: number
  readonly generatedTokens: number
}

/** A file that is no trace; the message is one line for people and names the line of the file. */
export class TraceError extends Error {
  override readonly name = "TraceError"
}

const COLUMNS = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"] as const

/** More than any request of any model: beyond it, a column was mistaken for another. */
const MOST_TOKENS = 100_000_000

/** From here on there are products in the sample catalog, and purchases are dated by the trace. */
const EARLIEST = Date.UTC(2020, 0, 1)

/**
 * Reads a trace: a CSV file with a header and the columns `TIMESTAMP` (UTC), `ContextTokens` and `GeneratedTokens`, in any
 * order, among any others. `now` (epoch milliseconds) bounds the timestamps. Throws a {@link TraceError} for what is none.
 */
export const parseTrace = (text: string, now: number): ReadonlyArray<TraceRequest> => {
  const [header = "", ...lines] = text.replace(/^\uFEFF/, "").split(/\r?\n/)
  const names = header.split(",").map((name) => name.trim())
  const [timestamp, context, generated] = COLUMNS.map((column) => {
    const index = names.indexOf(column)
    if (index === -1) throw new TraceError(`The trace has no column ${column}; it needs ${COLUMNS.join(", ")}`)
    return index
  })
  const requests: Array<TraceRequest> = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue
    const cells = line.split(",")
    const cell = (column: number | undefined) => cells[column ?? -1]?.trim() ?? ""
    const place = `Line ${index + 2} of the trace`
    requests.push({
      row: requests.length + 1,
      at: instant(cell(timestamp), place, now),
      contextTokens: tokens(cell(context), `${place}: ContextTokens`),
      generatedTokens: tokens(cell(generated), `${place}: GeneratedTokens`)
    })
  }
  if (requests.length === 0) throw new TraceError("The trace holds no request")
  return requests
}

const tokens = (text: string, place: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw new TraceError(`${place} is not a whole number of at least 0: ${quoted(text)}`)
  const value = Number(text)
  if (value > MOST_TOKENS) throw new TraceError(`${place} is more than ${MOST_TOKENS}: ${text}`)
  return value
}

const PATTERN = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d{1,9})?Z?$/

/** To the millisecond; finer digits are cut. */
const instant = (text: string, place: string, now: number): number => {
  const [, day, time, fraction = ""] = PATTERN.exec(text) ?? []
  const iso = `${day}T${time}.${fraction.slice(1, 4).padEnd(3, "0")}Z`
  const at = Date.parse(iso)
  // JavaScript reads 30 February as 2 March: an instant must read back as what was written.
  if (Number.isNaN(at) || new Date(at).toISOString() !== iso) {
    throw new TraceError(`${place}: TIMESTAMP is not a time such as "2023-11-16 18:17:03.9799600": ${quoted(text)}`)
  }
  if (at < EARLIEST) throw new TraceError(`${place}: TIMESTAMP is before 2020, when nothing was for sale yet: ${text}`)
  if (at > now) throw new TraceError(`${place}: TIMESTAMP is in the future: ${text}`)
  return at
}

const quoted = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
