import { Kind } from "@credit/rpc/Access"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import { EncodedExit } from "../commands/Submission.ts"
import { callOutcome } from "./CallOutcome.ts"
import type { Metrics } from "./Metrics.ts"

interface NamedRpc {
  readonly _tag: string
  readonly annotations: Context.Context<never>
}

/**
 * Counts a call when it has ended, however it does. `merchantId` tells whose it is once the caller is let in. A stream counts when
 * it begins: how it ends is its reader's to see.
 */
export const observeCall = <A, E, R>(
  metrics: Metrics["Service"],
  rpc: NamedRpc,
  merchantId: () => string | undefined,
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const started = performance.now()
  return Effect.onExit(call, (exit) =>
    Effect.sync(() => {
      const { replayed, tag } = ending(exit)
      metrics.call({
        merchantId: merchantId(),
        rpc: rpc._tag,
        kind: Context.getOrUndefined(rpc.annotations, Kind) ?? "query",
        outcome: callOutcome(tag, replayed),
        errorTag: tag === "Success" ? undefined : tag,
        seconds: (performance.now() - started) / 1000
      })
    })
  )
}

const SUCCESS = { tag: "Success", replayed: false }
/** What the caller is told of a bug; and of a call that was cut off because the caller left or the service ends. */
const FAULT = { tag: "InternalError", replayed: false }
const CUT_OFF = { tag: "ServiceUnavailable", replayed: false }

const ending = (exit: Exit.Exit<unknown, unknown>): { readonly tag: string; readonly replayed: boolean } => {
  if (Exit.isSuccess(exit)) return exit.value instanceof EncodedExit ? exit.value : SUCCESS
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure === undefined) return Cause.hasInterruptsOnly(exit.cause) ? CUT_OFF : FAULT
  const { error } = failure
  return Predicate.hasProperty(error, "_tag") && typeof error._tag === "string"
    ? { tag: error._tag, replayed: false }
    : FAULT
}
