import type { CommandOptions, CreditPromiseClient } from "@credit/client"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { WriteFlags } from "../flags/Write.ts"
import { text } from "../output/Block.ts"
import { Output } from "../output/Output.ts"
import { ServiceSilent } from "../Problem.ts"
import { Service, type Written } from "../Service.ts"

/** What a command tells while it runs: parts by their tags, `Done` at the end. */
interface Part {
  readonly _tag: string
}

/** The parts of a streamed answer. */
export type PartsOf<S> = S extends Stream.Stream<infer A, infer _E, infer _R> ? A : never

/** The part that ends an answer, with what the command did. */
export type DoneOf<A> = Extract<A, { readonly _tag: "Done" }>

const isDone = <A extends Part>(part: A): part is DoneOf<A> => part._tag === "Done"

/**
 * Runs a command that tells how it goes. Its parts are progress for people (`words`; nothing for what is not worth it), and
 * with `--json` a line each, the last one with the key. Gives its end.
 */
export const follow = Effect.fnUntraced(function* <A extends Part>(
  write: WriteFlags,
  call: (client: CreditPromiseClient, options: CommandOptions) => AsyncIterable<A>,
  words: (part: A) => string | undefined
) {
  const service = yield* Service
  const output = yield* Output
  let end: DoneOf<A> | undefined
  const { idempotencyKey } = yield* service.follow(write, call, (part, key) => {
    if (isDone(part)) end = part
    if (output.json) {
      const json = isDone(part) ? { ...part, idempotencyKey: key, dryRun: write.dryRun } : part
      return output.item({ json, text: text("") })
    }
    const said = words(part)
    return said === undefined ? Effect.void : output.progress(said)
  })
  yield* output.progressEnd
  if (end === undefined) {
    return yield* new ServiceSilent({
      message: "The service's answer ended without its result",
      hint: `the same command again with --idempotency-key ${idempotencyKey} goes on`
    })
  }
  const written: Written<DoneOf<A>> = { answer: end, idempotencyKey, dryRun: write.dryRun }
  return written
})
