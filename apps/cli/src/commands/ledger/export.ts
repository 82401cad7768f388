import { once } from "node:events"
import { type FileHandle, open } from "node:fs/promises"
import { UserId } from "@credit/domain/Ids"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { maybe, present, textFlag } from "../../flags/Checked.ts"
import { fixedInstantFlag } from "../../flags/Common.ts"
import { text } from "../../output/Block.ts"
import { Output } from "../../output/Output.ts"
import { count } from "../../output/Words.ts"
import { UsageProblem } from "../../Problem.ts"
import { Service } from "../../Service.ts"

export const exportLedger = Command.make(
  "export",
  {
    format: Flag.Literals("format", ["ndjson", "csv"]).pipe(
      Flag.withMetavar("format"),
      Flag.withDefault("ndjson"),
      Flag.withDescription("A line of JSON for each entry, or CSV (default: ndjson)")
    ),
    user: maybe(textFlag("user", UserId).pipe(Flag.withMetavar("id"), Flag.withDescription("Only this user's"))),
    from: maybe(fixedInstantFlag("from", "From then on (default: the beginning)")),
    to: maybe(fixedInstantFlag("to", "Before then (default: a minute ago; later it cannot be)")),
    output: maybe(
      Flag.String("output").pipe(
        Flag.withAlias("o"),
        Flag.withMetavar("file"),
        Flag.withDescription("Where to (default: the standard output). With --cursor it is added to")
      )
    ),
    cursor: maybe(
      Flag.String("cursor").pipe(
        Flag.withMetavar("cursor"),
        Flag.withDescription("Go on where an export broke off, as it said")
      )
    )
  },
  Effect.fn("cli.ledger.export")(function* ({ cursor, format, from, output: file, to, user }) {
    const output = yield* Output
    const service = yield* Service
    const write = yield* writerTo(file, cursor !== undefined)
    let entries = 0
    let last = cursor
    yield* service
      .stream((client, options) =>
        client.exportLedger({ format, ...present({ userId: user, from, to, cursor }) }, options)
      )
      .pipe(
        Stream.runForEach((part) =>
          Effect.gen(function* () {
            yield* write(part.text)
            entries += part.entries
            last = part.cursor
            if (output.watched) yield* output.progress(count(entries, "entry", "entries"))
          })
        ),
        Effect.onExit((exit) =>
          exit._tag === "Failure" && last !== undefined ? output.note(`It goes on with --cursor ${last}`) : Effect.void
        )
      )
    yield* write("")
    const told = `${count(entries, "entry", "entries")}${to === undefined ? ", up to a minute ago" : ""}`
    if (file === undefined) return yield* output.note(output.paint.dim(told))
    yield* output.answer({ json: { file, entries, format }, text: text(`${told} in ${file}`) })
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Write the ledger's entries out, in a fixed order: what is exported is all there is up to its end. Broken off, it goes on where it was. For an admin"
  ),
  Command.withShortDescription("Write the ledger's entries out"),
  Command.withExamples([
    { command: "credit-cli ledger export --output ledger.ndjson", description: "All of it" },
    {
      command: "credit-cli ledger export --format csv --from 2026-01-01 --to 2026-02-01 -o january.csv",
      description: "A month for the books"
    },
    { command: "credit-cli ledger export --user ann | jq .amount", description: "One user's, into a pipe" }
  ])
)

type Write = (part: string) => Effect.Effect<void, UsageProblem>

/** Writes to a file, or to the standard output, no faster than it is taken. The file is made with the first part. */
const writerTo = (file: string | undefined, append: boolean): Effect.Effect<Write, never, Scope.Scope> =>
  file === undefined
    ? Effect.succeed((part) =>
        Effect.promise(async () => {
          if (!process.stdout.write(part)) await once(process.stdout, "drain")
        })
      )
    : Effect.gen(function* () {
        const scope = yield* Effect.scope
        const opened = yield* Effect.cached(
          Effect.acquireRelease(openFile(file, append), (handle) => Effect.promise(() => handle.close())).pipe(
            Effect.provideService(Scope.Scope, scope)
          )
        )
        return (part) => Effect.flatMap(opened, (handle) => Effect.promise(() => handle.appendFile(part)))
      })

/** What was exported before is not written over unasked: a new export wants a new file. */
const openFile = (file: string, append: boolean): Effect.Effect<FileHandle, UsageProblem> =>
  Effect.tryPromise({
    try: () => open(file, append ? "a" : "wx", 0o600),
    catch: (cause) => {
      const code = cause instanceof Error && "code" in cause ? cause.code : undefined
      return code === "EEXIST"
        ? new UsageProblem({ message: `${file} is there already`, hint: "give another --output, or remove it" })
        : new UsageProblem({ message: `${file} cannot be written (${code ?? "unknown"})` })
    }
  })
