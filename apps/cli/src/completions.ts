import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import { maybe } from "./flags/Checked.ts"

/**
 * `--completions`, in place of Effect's own, which leaves out the flags of every command. `flags` are those.
 */
export const completionsFlag = (flags: Record<string, Flag.Flag<unknown>>) =>
  GlobalFlag.Action({
    flag: maybe(
      Flag.Literals("completions", ["bash", "zsh", "fish"]).pipe(
        Flag.withMetavar("shell"),
        Flag.withDescription("Print what makes this shell complete commands and flags")
      )
    ),
    run: (shell, { command }) =>
      Effect.sync(() => {
        if (shell === undefined) return
        const everywhere = Completions.fromCommand(Command.make(command.name, flags)).flags
        process.stdout.write(
          `${Completions.generate(command.name, shell, withFlags(Completions.fromCommand(command), everywhere))}\n`
        )
      })
  })

const withFlags = (
  command: Completions.CommandDescriptor,
  everywhere: ReadonlyArray<Completions.FlagDescriptor>
): Completions.CommandDescriptor => ({
  ...command,
  flags: [...command.flags, ...everywhere],
  subcommands: command.subcommands.map((subcommand) => withFlags(subcommand, everywhere))
})
