import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Block } from "./Block.ts"
import { type Paint, paintFor, type Style } from "./Style.ts"

/** An answer, for programs and for people. */
export interface Answer {
  readonly json: unknown
  readonly text: Block
}

/** Something to write to; a terminal knows how wide it is. */
export interface Sink {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

/** Where the command line writes. */
export interface TerminalStreams {
  readonly stdout: Sink
  readonly stderr: Sink
}

/**
 * The two ends of the command line: answers go to the standard output, as text or with `--json` as JSON, and everything else
 * to the standard error, so that the one can be piped and the other read.
 */
export class Output extends Context.Service<
  Output,
  {
    /** Whether answers are JSON. */
    readonly json: boolean
    /** Whether somebody is looking at the standard error. */
    readonly watched: boolean
    /** The whole answer: one JSON document, or text. */
    readonly answer: (answer: Answer) => Effect.Effect<void>
    /** One item of an answer that comes bit by bit: a line of JSON, or text. */
    readonly item: (answer: Answer) => Effect.Effect<void>
    /** A remark beside the answer. */
    readonly note: (text: string) => Effect.Effect<void>
    /** How far long work has come. On a terminal each replaces the one before; elsewhere each is a line. */
    readonly progress: (text: string) => Effect.Effect<void>
    /** Ends the progress, leaving nothing of it on a terminal. */
    readonly progressEnd: Effect.Effect<void>
    /** Emphasis on the standard error. */
    readonly paint: Paint
  }
>()("@credit/cli/output/Output") {
  static readonly layer = (options: {
    readonly json: boolean
    readonly streams: TerminalStreams
    readonly environment: Readonly<Record<string, string | undefined>>
  }): Layer.Layer<Output> => Layer.sync(Output, () => make(options))
}

/** A terminal that does not say how wide it is tells 0. */
export const columnsOf = ({ columns = 0 }: Sink): number => Math.max(20, columns === 0 ? 80 : columns)

const make = ({
  environment,
  json,
  streams: { stderr, stdout }
}: {
  readonly json: boolean
  readonly streams: TerminalStreams
  readonly environment: Readonly<Record<string, string | undefined>>
}): Output["Service"] => {
  const style: Style = {
    width: stdout.isTTY === true ? columnsOf(stdout) : Number.POSITIVE_INFINITY,
    paint: paintFor(stdout, environment)
  }
  const paint = paintFor(stderr, environment)
  const watched = stderr.isTTY === true && environment.TERM !== "dumb"
  let shown = ""
  const clear = (): void => {
    if (watched && shown !== "") stderr.write("\r\u001b[K")
    shown = ""
  }
  const print = (text: string) =>
    Effect.sync(() => {
      clear()
      if (text !== "") stdout.write(`${text}\n`)
    })
  return Output.of({
    json,
    watched,
    paint,
    answer: (answer) => print(json ? JSON.stringify(answer.json, null, 2) : answer.text(style)),
    item: (answer) => print(json ? JSON.stringify(answer.json) : answer.text(style)),
    note: (text) =>
      Effect.sync(() => {
        clear()
        stderr.write(`${text}\n`)
      }),
    progress: (text) =>
      Effect.sync(() => {
        if (text === shown) return
        clear()
        shown = text
        stderr.write(watched ? paint.dim(text.slice(0, columnsOf(stderr) - 1)) : `${text}\n`)
      }),
    progressEnd: Effect.sync(clear)
  })
}
