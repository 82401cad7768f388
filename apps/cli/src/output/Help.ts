import { displayWidth } from "effect/cli/CliOutput"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import { pad, wrap } from "./Block.ts"
import type { Style } from "./Style.ts"

/** What is told about a flag, without what its type says already. */
export const flagNames = ({ aliases, name, type }: FlagDoc): string =>
  `${[...aliases, `--${name}`].join(", ")}${type === "boolean" ? "" : ` <${type.replaceAll(/^<|>$/g, "")}>`}`

/** The help of a command, broken to the width of the terminal. */
export const helpText = (doc: HelpDoc, style: Style): string => {
  const { paint, width } = style
  const { args = [], examples = [], globalFlags = [], subcommands = [] } = doc
  const rows = (entries: ReadonlyArray<readonly [string, string]>) => definitions(entries, style)
  const isRoot = doc.commandPath?.length === 1
  return [
    ...(doc.description === "" ? [] : [wrap(doc.description, width).join("\n")]),
    section(
      "Usage",
      `  ${doc.usage.replace(" [flags]", doc.flags.length + globalFlags.length === 0 ? "" : " [flags]")}`,
      style
    ),
    ...subcommands.map(({ commands, group }) =>
      section(
        group ?? "Commands",
        rows(commands.map(({ description, name, shortDescription }) => [name, shortDescription ?? description])),
        style
      )
    ),
    ...(args.length === 0
      ? []
      : [
          section(
            "Arguments",
            rows(args.map((arg) => [`<${arg.name}>`, Option.getOrElse(arg.description, () => "")])),
            style
          )
        ]),
    ...flagSections(doc, isRoot, style),
    ...(examples.length === 0
      ? []
      : [
          section(
            "Examples",
            examples
              .map(({ command, description }) =>
                [
                  ...(description === undefined ? [] : [paint.dim(`  # ${description}`)]),
                  `  ${paint.cyan(command)}`
                ].join("\n")
              )
              .join("\n\n"),
            style
          )
        ])
  ].join("\n\n")
}

const flagSections = (doc: HelpDoc, all: boolean, style: Style): ReadonlyArray<string> => {
  const rows = (flags: ReadonlyArray<FlagDoc>) =>
    definitions(
      flags.map((flag) => [flagNames(flag), flagDescription(flag)]),
      style
    )
  const { flags, globalFlags = [] } = doc
  return [
    ...(flags.length === 0 ? [] : [section("Flags", rows(flags), style)]),
    ...(globalFlags.length === 0
      ? []
      : [
          all
            ? section("Flags of every command", rows(globalFlags), style)
            : style.paint.dim(
                wrap(
                  `Every command also takes ${globalFlags.map(({ name }) => `--${name}`).join(", ")}: see credit-cli --help`,
                  style.width
                ).join("\n")
              )
        ])
  ]
}

export const flagDescription = (flag: FlagDoc): string =>
  `${Option.getOrElse(flag.description, () => "")}${flag.required ? " (required)" : ""}`

const section = (title: string, body: string, { paint }: Style): string => `${paint.bold(title)}\n${body}`

/** Names with what they mean; long meanings go on below themselves, those of long names begin below the name. */
const definitions = (entries: ReadonlyArray<readonly [string, string]>, { paint, width }: Style): string => {
  const longest = Math.max(...entries.map(([name]) => displayWidth(name)))
  const column = Math.min(longest, 28) + 4
  return entries
    .map(([name, meaning]) => {
      const lines = wrap(meaning, width - column)
      const indented = lines.join(`\n${" ".repeat(column)}`)
      const short = displayWidth(name) + 4 <= column
      return short
        ? `  ${paint.green(pad(name, column - 2))}${indented}`
        : `  ${paint.green(name)}\n${" ".repeat(column)}${indented}`
    })
    .join("\n")
}
