import { makeUuidV7 } from "@credit/domain/Uuid"
import * as Clock from "effect/Clock"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { QuitError } from "effect/Terminal"
import { NotConfirmed, UsageProblem } from "../Problem.ts"
import { maybe, textFlag } from "./Checked.ts"

const IdempotencyKey = Schema.String.check(
  Schema.isPattern(/^[!-~]{1,255}$/, { expected: "1–255 visible ASCII characters" })
)

/** What every command that writes takes. */
export interface WriteFlags {
  readonly idempotencyKey: string | undefined
  readonly dryRun: boolean
}

export const writeFlags = {
  idempotencyKey: maybe(
    textFlag("idempotency-key", IdempotencyKey).pipe(
      Flag.withMetavar("key"),
      Flag.withDescription(
        "Names this very command: sent again with the same key it is not done twice (made unless given)"
      )
    )
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Have the service decide, and drop what it decided: nothing is stored")
  )
} as const

/** What every command takes besides that cannot be taken back. */
export const destructiveFlags = {
  ...writeFlags,
  yes: Flag.Boolean("yes").pipe(
    Flag.withAlias("y"),
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Do not ask; without a terminal to ask on it must be given")
  )
} as const

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A new key: a UUIDv7, whose first 48 bits are the instant at which it was made. */
export const newKey = Effect.map(Clock.currentTimeMillis, makeUuidV7())

/**
 * The key and the `now` of a command that takes now for times it is not given. A command sent again with its key must say the
 * same as before, so that its `now` has to be that of the first try: it is taken from the key. A key of one's own has none;
 * then the times in `given` must all be given.
 */
export const firstTry = (
  write: WriteFlags,
  given: Readonly<Record<string, string | undefined>>
): Effect.Effect<{ readonly idempotencyKey: string; readonly now: string }, UsageProblem> =>
  Effect.gen(function* () {
    const idempotencyKey = write.idempotencyKey ?? (yield* newKey)
    const [, high, low] = UUID_V7.exec(idempotencyKey) ?? []
    if (high !== undefined && low !== undefined) {
      return { idempotencyKey, now: new Date(Number.parseInt(`${high}${low}`, 16)).toISOString() }
    }
    const missing = Object.keys(given).filter((name) => given[name] === undefined)
    if (missing.length === 0) return { idempotencyKey, now: "" }
    return yield* new UsageProblem({
      message: `With a key of your own, ${missing.map((name) => `--${name}`).join(" and ")} must be given: now would be another time with every try`
    })
  })

/** Asks before what cannot be taken back, unless told not to. A dry run changes nothing and is not asked about. */
export const confirm = (
  { dryRun, yes }: { readonly dryRun: boolean; readonly yes: boolean },
  question: string
): Effect.Effect<void, NotConfirmed | UsageProblem | QuitError, Prompt.Environment> =>
  Effect.gen(function* () {
    if (yes || dryRun) return
    if (!process.stdin.isTTY || !process.stdout.isTTY) {
      return yield* new UsageProblem({
        message: "This cannot be taken back, and there is no terminal to ask on",
        hint: "give --yes if it is meant, or --dry-run to see what it would do"
      })
    }
    const agreed = yield* Prompt.Confirm({ message: question, initial: false })
    if (!agreed) return yield* new NotConfirmed({ message: "Nothing was done" })
  })
