import { describe, expect, it } from "vitest"
import { Progress } from "./Progress.ts"

const shown = (isTTY: boolean) => {
  const written: Array<string> = []
  const output = { isTTY, write: (text: string) => written.push(text) }
  return { written, progress: new Progress(1_000, output, 0) }
}

describe("Progress", () => {
  it("on a terminal is one line that is drawn over, at most ten times a second, and leaves nothing behind", () => {
    const { progress, written } = shown(true)
    for (let now = 1; now <= 1_000; now++) progress.update(now / 2, now)
    progress.end()
    expect(written).toHaveLength(11)
    expect(written[9]).toMatch(/^\r.*█.*░.* 500 of 1,000 requests \(50 %\), 500\/s, 1 s left/)
    expect(written.join("")).not.toContain("\n")
    expect(written[10]).toBe("\r\u001b[K")
  })

  it("elsewhere is a plain line every five seconds", () => {
    const { progress, written } = shown(false)
    for (let now = 0; now <= 12_000; now += 100) progress.update(now / 100, now)
    progress.end()
    expect(written).toEqual([
      "50 of 1,000 requests (5 %), 10/s, 95 s left\n",
      "100 of 1,000 requests (10 %), 10/s, 90 s left\n"
    ])
  })
})
