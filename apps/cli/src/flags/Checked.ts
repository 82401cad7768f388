import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { expectationOf } from "../schemaPlace.ts"

/** A schema of the contract whose wire form is text. */
type TextSchema = Schema.Codec<unknown, string>

/** A flag whose text must be what the contract says; the text is kept as it is, for that is what is sent. */
export const textFlag = (name: string, schema: TextSchema): Flag.Flag<string> =>
  Flag.String(name).pipe(Flag.mapEffect((text) => checked(text, schema, name, "flag")))

/** Likewise, an argument. */
export const textArgument = (name: string, schema: TextSchema): Argument.Argument<string> =>
  Argument.String(name).pipe(Argument.mapEffect((text) => checked(text, schema, name, "argument")))

const checked = (
  text: string,
  schema: TextSchema,
  option: string,
  kind: "flag" | "argument"
): Effect.Effect<string, CliError.InvalidValue> => {
  const decoded = Schema.decodeUnknownResult(schema)(text)
  return decoded._tag === "Success"
    ? Effect.succeed(text)
    : Effect.fail(new CliError.InvalidValue({ option, value: text, expected: expectationOf(decoded.failure), kind }))
}

/** A flag with a whole number within bounds. */
export const wholeFlag = (name: string, minimum: number, maximum: number, expected?: string): Flag.Flag<number> =>
  Flag.String(name).pipe(
    Flag.withMetavar("number"),
    Flag.mapEffect((text) => {
      const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
      return number >= minimum && number <= maximum
        ? Effect.succeed(number)
        : Effect.fail(
            new CliError.InvalidValue({
              option: name,
              value: text,
              expected: expected ?? `a whole number from ${minimum} to ${maximum}`,
              kind: "flag"
            })
          )
    })
  )

/** A flag that may be missing. */
export const maybe = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined))

/** A flag that may be given several times, or not at all. */
export const repeated = <A>(flag: Flag.Flag<A>): Flag.Flag<ReadonlyArray<A>> =>
  flag.pipe(Flag.atLeast(1), Flag.withDefault<ReadonlyArray<A>>([]))

/** A flag that reads its text by a function of ours, which says what it expects instead. */
export const parsedFlag = <A>(name: string, parse: (text: string) => Result.Result<A, string>): Flag.Flag<A> =>
  Flag.String(name).pipe(
    Flag.mapEffect((text) =>
      Effect.mapError(
        Effect.fromResult(parse(text)),
        (expected) => new CliError.InvalidValue({ option: name, value: text, expected, kind: "flag" })
      )
    )
  )

/** The type of an object without the fields that may be `undefined`, which then may be missing. */
type Present<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Only the fields that are there: the contract tells a missing field from one without a value. */
export const present = <T extends object>(fields: T): Present<T> => {
  const kept = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  if (!isPresent<T>(kept)) throw new Error("No field may be undefined here")
  return kept
}

const isPresent = <T>(fields: Readonly<Record<string, unknown>>): fields is Present<T> & Record<string, unknown> =>
  Object.values(fields).every((value) => value !== undefined)
