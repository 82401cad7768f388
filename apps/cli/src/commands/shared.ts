import * as Effect from "effect/Effect"
import { type Block, done, fields, stack, text } from "../output/Block.ts"
import { Output } from "../output/Output.ts"
import type { Written } from "../Service.ts"

/** Shows the answer of a query. */
export const tell = (json: unknown, block: Block): Effect.Effect<void, never, Output> =>
  Effect.flatMap(Output, (output) => output.answer({ json, text: block }))

/** Shows a page of a list, and how to see the next one. */
export const tellPage = (
  page: { readonly nextCursor?: string | undefined },
  block: Block
): Effect.Effect<void, never, Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    yield* output.answer({ json: page, text: block })
    if (page.nextCursor !== undefined && !output.json) {
      yield* output.note(output.paint.dim(`There are more: --cursor ${page.nextCursor}`))
    }
  })

/** What the answers of commands have in common. */
interface Answered {
  readonly meta: { readonly transactionId: string; readonly replayed: boolean }
}

/** Shows what a command did, and the key under which it is safe to send again. */
export const tellWritten = <A extends Answered>(
  { answer, dryRun, idempotencyKey }: Written<A>,
  did: string,
  ...blocks: ReadonlyArray<Block>
): Effect.Effect<void, never, Output> =>
  tell(
    { ...answer, idempotencyKey, dryRun },
    stack(
      dryRun ? text(`Dry run, nothing was stored. It would say: ${did}`) : done(did),
      ...blocks,
      fields({
        "idempotency key": dryRun ? undefined : idempotencyKey,
        replayed: answer.meta.replayed ? "yes: this had been done before, and was not done again" : undefined
      })
    )
  )
