import { StringDecoder } from "node:string_decoder"
import * as Predicate from "effect/Predicate"
import type { ExitEncoded } from "effect/rpc/RpcMessage"

/** One call, ready to travel. */
export interface WireCall {
  /** Unique within a process. The answer names it. */
  readonly id: string
  /** The call as Effect's RPC protocol writes it: one JSON object in a line, line break included. */
  readonly text: string
}

/** The span of the caller's trace that a call belongs to. */
export interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

let calls = 0

/**
 * Writes a call. `headers` are of this call alone; the token is not among them: the service reads it from the HTTP request
 * only. Throws a `TypeError` for a payload that JSON cannot carry.
 */
export const writeCall = (call: {
  readonly tag: string
  /** In wire form. */
  readonly payload: unknown
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly parent: TraceParent | undefined
}): WireCall => {
  const id = `${calls++}`
  const { headers, parent, payload = null, tag } = call
  return { id, text: `${JSON.stringify({ _tag: "Request", id, tag, payload, headers, ...parent })}\n` }
}

/** How a call ended, in wire form: a value, or a cause with the typed error in it. */
export type WireExit = ExitEncoded<unknown, unknown>

/** What the service sends back: some values of a streamed answer, or the end of a call. */
export type WireAnswer =
  | { readonly _tag: "Chunk"; readonly requestId: string; readonly values: ReadonlyArray<unknown> }
  | { readonly _tag: "Exit"; readonly requestId: string; readonly exit: WireExit }

const isExit = (value: unknown): value is WireExit =>
  Predicate.isTagged(value, "Success") ||
  (Predicate.isTagged(value, "Failure") && Predicate.hasProperty(value, "cause") && Array.isArray(value.cause))

/** Reads one message of the service; `undefined` for what is none that ends or continues a call. */
export const readAnswer = (message: unknown): WireAnswer | undefined => {
  if (!Predicate.hasProperty(message, "requestId")) return undefined
  const requestId = `${message.requestId}`
  if (Predicate.isTagged(message, "Exit") && Predicate.hasProperty(message, "exit") && isExit(message.exit)) {
    return { _tag: "Exit", requestId, exit: message.exit }
  }
  if (
    Predicate.isTagged(message, "Chunk") &&
    Predicate.hasProperty(message, "values") &&
    Array.isArray(message.values)
  ) {
    return { _tag: "Chunk", requestId, values: message.values }
  }
  return undefined
}

/** The typed error of a failed call, still in wire form; `undefined` for a success and for a failure without one. */
export const typedError = (exit: WireExit): unknown => {
  if (exit._tag === "Success") return undefined
  for (const reason of exit.cause) {
    if (Predicate.isTagged(reason, "Fail") && Predicate.hasProperty(reason, "error")) return reason.error
  }
  return undefined
}

/**
 * Takes the body of an answer apart into messages: a JSON array (all messages at the end) or lines of JSON (each message as
 * soon as its line is complete). Which of the two it is shows in the first character. Throws a `SyntaxError` for what is
 * neither.
 */
export class AnswerReader {
  private readonly decoder = new StringDecoder("utf8")
  private text = ""
  private lines: boolean | undefined

  push(chunk: Uint8Array): ReadonlyArray<unknown> {
    this.text += this.decoder.write(chunk)
    this.lines ??= this.text.trimStart() === "" ? undefined : !this.text.trimStart().startsWith("[")
    if (this.lines !== true) return []
    const end = this.text.lastIndexOf("\n")
    if (end === -1) return []
    const complete = this.text.slice(0, end)
    this.text = this.text.slice(end + 1)
    return parseLines(complete)
  }

  end(): ReadonlyArray<unknown> {
    const rest = this.text + this.decoder.end()
    this.text = ""
    if (this.lines === true) return parseLines(rest)
    if (rest.trim() === "") return []
    const parsed: unknown = JSON.parse(rest)
    return Array.isArray(parsed) ? parsed : [parsed]
  }
}

const parseLines = (text: string): ReadonlyArray<unknown> =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line): unknown => JSON.parse(line))
