import type { Outcome, RefusalEncoded } from "./Decision.ts"

/** The wire form of an exit, as the RPC protocol has it, with the command's `meta`. This text is what is stored. */
export const encodeExit = (outcome: Outcome, transactionId: string): string => {
  const meta = { transactionId, replayed: false }
  return outcome._tag === "Success"
    ? JSON.stringify({ _tag: "Success", value: { ...outcome.value, meta } })
    : encodeFailure({ ...outcome.error, meta })
}

/** The wire form of a failure with a typed error. */
export const encodeFailure = (
  error: RefusalEncoded | { readonly _tag: string; readonly [field: string]: unknown }
): string => JSON.stringify({ _tag: "Failure", cause: [{ _tag: "Fail", error }] })

interface StoredExit {
  readonly _tag: "Success" | "Failure"
  readonly value?: { meta: { replayed: boolean } }
  readonly cause?: ReadonlyArray<{ readonly error: { meta: { replayed: boolean } } }>
}

/** A stored exit as its replay is told: the same but for `meta.replayed`. */
export const markReplayed = (response: string): string => {
  const exit: StoredExit = JSON.parse(response)
  const answer = exit.value ?? exit.cause?.[0]?.error
  if (answer === undefined) throw new Error("A stored answer is not an exit")
  answer.meta.replayed = true
  return JSON.stringify(exit)
}
