/** How text is laid out for whoever reads it. */
export interface Style {
  /** Columns of the terminal; without end for what goes into a file or a pipe. */
  readonly width: number
  readonly paint: Paint
}

/** Emphasis that colour adds; without colour every one gives the text as it is. */
export interface Paint {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const sgr = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`
const asIs = (text: string) => text

export const colours: Paint = {
  bold: sgr(1),
  dim: sgr(2),
  red: sgr(31),
  green: sgr(32),
  yellow: sgr(33),
  cyan: sgr(36)
}
export const noColours: Paint = { bold: asIs, dim: asIs, red: asIs, green: asIs, yellow: asIs, cyan: asIs }

/** Colour is for terminals, and not for those who set `NO_COLOR` to anything, as no-color.org has it. */
export const paintFor = (
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>
): Paint =>
  stream.isTTY === true && (environment.NO_COLOR ?? "") === "" && environment.TERM !== "dumb" ? colours : noColours

/**
 * Text from the service in one line that is safe to print: notes and titles are whatever somebody sent, and control
 * characters in them would reach the terminal as commands.
 */
export const plain = (text: string): string =>
  text
    .replaceAll(/[\r\n\t]+/g, " ")
    .replaceAll(
      /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
      (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`
    )
