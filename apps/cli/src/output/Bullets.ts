import { type Block, wrap } from "./Block.ts"
import { plain } from "./Style.ts"

/** Sentences below each other, each broken to the width of the terminal. */
export const bullets =
  (lines: ReadonlyArray<string>): Block =>
  ({ width }) =>
    lines.map((line) => `- ${wrap(plain(line), width - 2).join("\n  ")}`).join("\n")
