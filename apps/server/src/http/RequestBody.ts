import { isUtf8 } from "node:buffer"
import { InvalidRequest } from "@credit/domain/Refusal"

/** How messages are told apart: one JSON text, or one message a line. The answer is framed like the request. */
export type Framing = "json" | "ndjson"

/** One call as it came, its envelope read and nothing else. */
export interface CallMessage {
  /** As the caller wrote it, so that the answer names it alike. */
  readonly id: string | number
  readonly tag: string
  readonly payload: unknown
  /** Pairs as they came, in order, names in lower case. */
  readonly headers: ReadonlyArray<readonly [string, string]>
  /** What is wrong with the envelope, if anything is. */
  readonly problem: InvalidRequest | undefined
}

export interface ParsedBody {
  readonly framing: Framing
  readonly calls: ReadonlyArray<CallMessage>
  /** What is wrong with the whole, if anything is: then no call is run. */
  readonly problem: InvalidRequest | undefined
}

const LONGEST_DEPTH = 32
/** Messages of the protocol that have no meaning over HTTP, where a call ends with its request. */
const CONTROL = new Set(["Ack", "Interrupt", "Eof", "Ping"])

const invalid = (field: string, message: string) => new InvalidRequest({ field, message })

/**
 * Reads a body: one request object, an array of them, or one a line. Lenient with callers that write by hand: `_tag`, `id`
 * and `headers` may be missing, and `headers` may be an object.
 */
export const parseBody = (bytes: Uint8Array, contentType: string | undefined, maximumCalls: number): ParsedBody => {
  const refuse = (message: string, framing: Framing = "json"): ParsedBody => ({
    framing,
    calls: [],
    problem: invalid("body", message)
  })
  if (!isUtf8(bytes)) return refuse("The body is not UTF-8")
  if (isDeeperThan(bytes, LONGEST_DEPTH)) return refuse(`The body is nested deeper than ${LONGEST_DEPTH} levels`)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
  const framing: Framing = contentType?.includes("ndjson") === true ? "ndjson" : "json"
  const messages = framing === "json" ? (parseJson(text) ?? parseLines(text)) : parseLines(text)
  if (messages === undefined) return refuse("The body is not JSON", framing)
  return readMessages(messages.values, messages.framing, maximumCalls)
}

interface Messages {
  readonly framing: Framing
  readonly values: ReadonlyArray<unknown>
}

const parseJson = (text: string): Messages | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return { framing: "json", values: Array.isArray(value) ? value : [value] }
  } catch {
    return undefined
  }
}

const parseLines = (text: string): Messages | undefined => {
  const values: Array<unknown> = []
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue
    try {
      values.push(JSON.parse(line))
    } catch {
      return undefined
    }
  }
  return values.length === 0 ? undefined : { framing: "ndjson", values }
}

const readMessages = (messages: ReadonlyArray<unknown>, framing: Framing, maximumCalls: number): ParsedBody => {
  if (!messages.every(isRecord)) {
    return { framing, calls: [], problem: invalid("body", "Expected an RPC request, or a list of them") }
  }
  const requests = messages.filter((message) => typeof message._tag !== "string" || !CONTROL.has(message._tag))
  const calls = withIds(requests.slice(0, maximumCalls))
  const ids = new Set(calls.map(({ id }) => String(id)))
  const problem =
    messages.length === 0
      ? invalid("body", "The body holds no call")
      : requests.length > maximumCalls
        ? invalid("body", `More than ${maximumCalls} calls in one request`)
        : ids.size < calls.length
          ? invalid("id", "Two calls of the request have the same id")
          : calls.length > 0 && calls.every((call) => call.problem?.field === "tag")
            ? invalid("tag", "Expected the name of an RPC")
            : undefined
  return { framing, calls, problem }
}

/** Calls without an id are numbered from 1, past the ids that others have. */
const withIds = (requests: ReadonlyArray<Record<string, unknown>>): ReadonlyArray<CallMessage> => {
  const taken = new Set<string>()
  for (const { id } of requests) if (isId(id)) taken.add(String(id))
  let next = 1
  return requests.map((request) => {
    if (isId(request.id)) return readCall(request, request.id)
    while (taken.has(String(next))) next += 1
    return readCall(request, String(next++))
  })
}

const readCall = (request: Record<string, unknown>, id: string | number): CallMessage => {
  const headers = readHeaders(request.headers)
  return {
    id,
    tag: typeof request.tag === "string" ? request.tag : "",
    payload: request.payload,
    headers: headers ?? [],
    problem: envelopeProblem(request, headers === undefined)
  }
}

const envelopeProblem = (request: Record<string, unknown>, headersInvalid: boolean): InvalidRequest | undefined => {
  if (request._tag !== undefined && request._tag !== "Request") return invalid("_tag", 'Expected "Request"')
  if (typeof request.tag !== "string") return invalid("tag", "Expected the name of an RPC")
  if (request.id !== undefined && !isId(request.id)) return invalid("id", "Expected a string or a number")
  if (headersInvalid) return invalid("headers", "Expected pairs of strings")
  // Every call is answered with what became of it: it must not look as if it could be sent and forgotten.
  if (request.isNotification === true) return invalid("isNotification", "A call cannot be a notification")
  if (request.discard === true) return invalid("discard", "The answer to a call cannot be discarded")
  return undefined
}

const readHeaders = (headers: unknown): ReadonlyArray<readonly [string, string]> | undefined => {
  if (headers === undefined) return []
  const pairs: ReadonlyArray<unknown> = Array.isArray(headers)
    ? headers
    : isRecord(headers)
      ? Object.entries(headers)
      : [0]
  const read: Array<readonly [string, string]> = []
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined
    const [name, value]: ReadonlyArray<unknown> = pair
    if (typeof name !== "string" || typeof value !== "string") return undefined
    read.push([name.toLowerCase(), value])
  }
  return read
}

const isId = (id: unknown): id is string | number =>
  typeof id === "string" || (typeof id === "number" && Number.isFinite(id))

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const QUOTE = 0x22
const BACKSLASH = 0x5c
const isOpening = (byte: number | undefined) => byte === 0x5b || byte === 0x7b
const isClosing = (byte: number | undefined) => byte === 0x5d || byte === 0x7d

/** Counts brackets outside of strings, before anything is built of them. Right for every text that is JSON. */
const isDeeperThan = (bytes: Uint8Array, limit: number): boolean => {
  let depth = 0
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (byte === QUOTE) {
      for (index += 1; index < bytes.length && bytes[index] !== QUOTE; index++)
        if (bytes[index] === BACKSLASH) index += 1
    } else if (isOpening(byte)) {
      depth += 1
      if (depth > limit) return true
    } else if (isClosing(byte)) {
      depth -= 1
    }
  }
  return false
}
