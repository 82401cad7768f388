import { type EntryState, presentEntry } from "@credit/domain/LedgerEntry"
import { timestampText } from "@credit/domain/Timestamp"

/** How entries become lines. */
export interface ExportFormat {
  /** The line before the first entry, if the format has one. */
  readonly header: string
  readonly line: (entry: EntryState) => string
}

const ndjson: ExportFormat = {
  header: "",
  line: (entry) => `${JSON.stringify({ userId: entry.userId, ...presentEntry(entry) })}\n`
}

/** A column of the CSV: the field it has and how that is written. Nothing is written for what an entry lacks. */
const COLUMNS: ReadonlyArray<readonly [name: string, value: (entry: EntryState) => string | number | null]> = [
  ["userId", (entry) => entry.userId],
  ["entryId", (entry) => entry.entryId],
  ["seq", (entry) => entry.seq],
  ["amount", (entry) => entry.amount],
  ["balanceAfter", (entry) => entry.balanceAfter],
  ["reason", (entry) => entry.reason],
  ["lotId", (entry) => entry.lotId],
  ["operationId", (entry) => entry.operationId],
  ["workflowId", (entry) => entry.workflowId],
  ["operationType", (entry) => entry.operationType],
  ["resourceAmount", (entry) => entry.resourceAmount],
  ["resourceUnit", (entry) => entry.resourceUnit],
  ["capturedRate", (entry) => entry.capturedRate],
  ["note", (entry) => entry.note],
  ["actor", (entry) => entry.actor],
  ["effectiveAt", (entry) => timestampText(entry.effectiveAt)],
  ["createdAt", (entry) => timestampText(entry.createdAt)],
  ["hash", (entry) => entry.hash]
]

/** RFC 4180, but for the line ends: a field with a comma, a quote or a line break in it is quoted, and quotes doubled. */
const csvField = (value: string | number | null): string => {
  const text = value === null ? "" : `${value}`
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const csv: ExportFormat = {
  header: `${COLUMNS.map(([name]) => name).join(",")}\n`,
  line: (entry) => `${COLUMNS.map(([, value]) => csvField(value(entry))).join(",")}\n`
}

export const formats = { ndjson, csv }
