import { UsageProblem } from "./Problem.ts"

/** TOML of a file; what is wrong with it is named by line and column. */
export const readToml = async (file: string, given: string): Promise<unknown> => {
  const { parse, TomlError } = await import("smol-toml")
  try {
    return parse(given)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    throw new UsageProblem({
      message: `${file}, line ${cause.line}, column ${cause.column}: ${cause.message.split("\n")[0]}`
    })
  }
}
