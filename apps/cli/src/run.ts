import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Environment } from "./Environment.ts"
import { type Explanation, explain } from "./explain.ts"
import { helpText } from "./output/Help.ts"
import { columnsOf, Output, type TerminalStreams } from "./output/Output.ts"
import { paintFor, type Style } from "./output/Style.ts"
import { EXIT, type ExitCode, type Problem } from "./Problem.ts"
import { root } from "./root.ts"
import { VERSION } from "./version.ts"

/** What Effect's own flags are here. */
export const builtIns = [GlobalFlag.Help, GlobalFlag.Version] as const

/** Whether the command line asks for JSON; asked before it is parsed, for its own mistakes are told so, too. */
const wantsJson = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === "--json" || arg === "--json=true")
}

/** Runs a command line to its end, and tells how the process ends. */
export const run = (
  args: ReadonlyArray<string>,
  streams: TerminalStreams,
  environment: Readonly<Record<string, string | undefined>>
): Effect.Effect<ExitCode> =>
  Effect.gen(function* () {
    const output = yield* Output
    return yield* Command.runWith(root, { version: VERSION })(args).pipe(
      Effect.as<ExitCode>(EXIT.ok),
      Effect.catch((error) => (CliError.isCliError(error) ? Effect.succeed(usage(error)) : failed(output, error))),
      Effect.catchCause((cause) =>
        Cause.hasInterrupts(cause) ? Effect.succeed(EXIT.interrupted) : broken(output, cause)
      ),
      Effect.tap(() => output.progressEnd)
    )
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        CliConfig.layer({ builtIns }),
        CliOutput.layerPresenter(presenter(streams, environment, wantsJson(args))),
        Output.layer({ json: wantsJson(args), streams, environment }),
        Layer.succeed(Environment, environment)
      )
    )
  )

/** Asked for help, or told what is wrong with the command line: the presenter has said it. */
const usage = (error: CliError.CliError): ExitCode =>
  error._tag === "ShowHelp" && error.errors.length === 0 ? EXIT.ok : EXIT.usage

const failed = (output: Output["Service"], problem: Problem): Effect.Effect<ExitCode> =>
  Effect.as(say(output, explain(problem)), explain(problem).exit)

/** A bug of ours: what it says may help whoever reports it, a stack nobody else. */
const broken = (output: Output["Service"], cause: Cause.Cause<unknown>): Effect.Effect<ExitCode> => {
  const error = Cause.squash(cause)
  const message = `credit-cli itself failed: ${error instanceof Error ? error.message : error}`
  return Effect.as(
    say(output, { exit: EXIT.fault, message, hint: "this is a defect of the command line", json: { _tag: "Defect" } }),
    EXIT.fault
  )
}

const say = (output: Output["Service"], { exit, hint, json, message }: Explanation): Effect.Effect<void> =>
  output.note(
    output.json
      ? JSON.stringify({ error: { ...json, message, hint }, exitCode: exit })
      : line(message, hint, output.paint)
  )

/** `credit-cli: what is wrong; what to do next`, in one line whatever is in it. */
const line = (message: string, hint: string | undefined, paint: Style["paint"]): string =>
  `${paint.red("credit-cli:")} ${oneLine(message)}${hint === undefined ? "" : paint.dim(`; ${oneLine(hint)}`)}`

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ")

const presenter = (
  { stderr, stdout }: TerminalStreams,
  environment: Readonly<Record<string, string | undefined>>,
  json: boolean
): CliOutput.Presenter => ({
  present: (event) =>
    Effect.sync(() => {
      const style: Style = {
        width: stdout.isTTY === true ? Math.min(Math.max(40, columnsOf(stdout)), 120) : 100,
        paint: paintFor(stdout, environment)
      }
      switch (event._tag) {
        case "Help":
          stdout.write(`${helpText(event.helpDoc, style)}\n`)
          return
        case "Version":
          stdout.write(`${event.name} ${event.version}\n`)
          return
        case "InvalidInvocation": {
          const [first] = event.errors
          const message = first?.message.replaceAll(/\s*\n\s*/g, " ") ?? "The command line cannot be read"
          const hint = `see ${event.commandPath.join(" ")} --help`
          stderr.write(
            json
              ? `${JSON.stringify({ error: { _tag: "UsageProblem", message, hint }, exitCode: EXIT.usage })}\n`
              : `${line(message, hint, paintFor(stderr, environment))}\n`
          )
        }
      }
    })
})
