import { styleText } from "node:util"

/** Where progress goes: a terminal, or a file or pipe. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** How often a bar is drawn anew, and how often a line is written where there is no terminal, in milliseconds. */
const BAR_EVERY = 100
const LINE_EVERY = 5_000

const BAR_WIDTH = 30

/** Shows how far long work has come: a bar on a terminal, a line every few seconds elsewhere. */
export class Progress {
  private readonly output: ProgressOutput
  private readonly total: number
  private readonly started: number
  private shown: number

  constructor(total: number, output: ProgressOutput, now: number) {
    this.total = total
    this.output = output
    this.started = now
    this.shown = now
  }

  /** `done` of the total are done; `now` in milliseconds, from wherever the constructor's is counted. */
  update(done: number, now: number): void {
    if (now - this.shown < (this.output.isTTY === true ? BAR_EVERY : LINE_EVERY)) return
    this.shown = now
    this.output.write(this.output.isTTY === true ? `\r${this.bar(done, now)}\u001b[K` : `${this.line(done, now)}\n`)
  }

  /** Takes the bar away; what comes next is written where it was. */
  end(): void {
    if (this.output.isTTY === true) this.output.write("\r\u001b[K")
  }

  private bar(done: number, now: number): string {
    const filled = Math.round((done / this.total) * BAR_WIDTH)
    return `${styleText("cyan", "█".repeat(filled))}${"░".repeat(BAR_WIDTH - filled)} ${this.line(done, now)}`
  }

  private line(done: number, now: number): string {
    const seconds = (now - this.started) / 1000
    const rate = done / seconds
    const left = rate > 0 ? `, ${Math.ceil((this.total - done) / rate)} s left` : ""
    const percent = Math.floor((done / this.total) * 100)
    return `${number(done)} of ${number(this.total)} requests (${percent} %), ${number(Math.round(rate))}/s${left}`
  }
}

/** With thousands separators: 8,818. */
export const number = (value: number): string => value.toLocaleString("en-US")
