import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { flagDescription, flagNames } from "./output/Help.ts"
import { Output } from "./output/Output.ts"
import { root } from "./root.ts"
import { builtIns } from "./run.ts"
import { VERSION } from "./version.ts"

/**
 * Writes `docs/cli.md` from the commands themselves: `npm run docs:cli`. What stands above the commands is kept here, in
 * `cli.head.md`. A test fails when the file is not what this makes.
 */
export const cliDocs = (): Effect.Effect<string> =>
  Effect.gen(function* () {
    const help = yield* collectHelp
    const [first, ...commands] = help
    if (first === undefined) return yield* Effect.die("There are no commands")
    const head = readFileSync(new URL("../cli.head.md", import.meta.url), "utf8").trim()
    const everywhere = flagTable(first.globalFlags ?? [])
    return `${[head, "## Flags of every command", everywhere, "## Commands", index(commands), ...commands.map(section)].join("\n\n")}\n`
  }).pipe(Effect.orDie)

/** The help of every command that does something, in the order of the tree; the root's comes first. */
export const collectHelp = Effect.gen(function* () {
  const found: Array<HelpDoc> = []
  const waiting: Array<ReadonlyArray<string>> = [[]]
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const doc = yield* helpOf(path)
    if (path.length === 0 || doc.subcommands === undefined) found.push(doc)
    const within = path
    waiting.unshift(...(doc.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => [...within, name])))
  }
  return found
}).pipe(
  Effect.provide(Layer.merge(NodeServices.layer, Output.layer({ json: false, streams: process, environment: {} })))
)

const helpOf = (path: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    let doc: HelpDoc | undefined
    const presenter: CliOutput.Presenter = {
      present: (event) =>
        Effect.sync(() => {
          if (event._tag === "Help") doc = event.helpDoc
        })
    }
    yield* Command.runWith(root, { version: VERSION })([...path, "--help"]).pipe(
      Effect.provide(Layer.merge(CliConfig.layer({ builtIns }), CliOutput.layerPresenter(presenter)))
    )
    return doc ?? (yield* Effect.die(`${path.join(" ")} has no help`))
  })

const titleOf = (doc: HelpDoc): string => (doc.commandPath ?? []).slice(1).join(" ")

const index = (docs: ReadonlyArray<HelpDoc>): string =>
  docs.map((doc) => `[${titleOf(doc)}](#${titleOf(doc).replaceAll(" ", "-")})`).join(" · ")

const section = (doc: HelpDoc): string => {
  const { args = [], examples = [], flags } = doc
  return [
    `### ${titleOf(doc)}`,
    doc.description.endsWith(".") ? doc.description : `${doc.description}.`,
    `\`\`\`\n${doc.usage}\n\`\`\``,
    ...(args.length === 0
      ? []
      : [
          rows(
            "argument",
            args.map((arg) => [`<${arg.name}>`, Option.getOrElse(arg.description, () => "")])
          )
        ]),
    ...(flags.length === 0 ? [] : [flagTable(flags)]),
    `\`\`\`sh\n${examples.map(({ command, description }) => `# ${description}\n${command}`).join("\n\n")}\n\`\`\``
  ].join("\n\n")
}

const flagTable = (flags: ReadonlyArray<FlagDoc>): string =>
  rows(
    "flag",
    flags.map((flag) => [flagNames(flag), flagDescription(flag)])
  )

const rows = (name: string, entries: ReadonlyArray<readonly [string, string]>): string =>
  [
    `| ${name} | |`,
    "| --- | --- |",
    ...entries.map(([left, right]) => `| \`${left.replaceAll("|", "\\|")}\` | ${right.replaceAll("|", "\\|")} |`)
  ].join("\n")

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL("../../../docs/cli.md", import.meta.url), await Effect.runPromise(cliDocs()))
}
