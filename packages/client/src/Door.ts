import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CreditClientError } from "./CreditClientError.ts"

/** Where promises begin: lets calls in until it is closed, and knows which are under way. */
export class Door {
  private readonly inside = new Set<Promise<unknown>>()
  private closed = false

  /** Runs a call as a promise that rejects with the call's error, or with the signal's reason once that is aborted. */
  async pass<A>(rpc: string, call: Effect.Effect<A, unknown>, signal: AbortSignal | undefined): Promise<A> {
    this.refuseIfClosed(rpc)
    signal?.throwIfAborted()
    const running = Effect.runPromiseExit(call, signal === undefined ? {} : { signal })
    this.inside.add(running)
    const exit = await running
    this.inside.delete(running)
    if (Exit.isSuccess(exit)) return exit.value
    if (Cause.hasInterruptsOnly(exit.cause)) signal?.throwIfAborted()
    throw Cause.squash(exit.cause)
  }

  refuseIfClosed(rpc: string): void {
    if (!this.closed) return
    throw new CreditClientError({ reason: "closed", rpc, attempts: 0, message: `${rpc}: the client was closed` })
  }

  /** Lets nobody in any more and waits until all have left. */
  async close(): Promise<void> {
    this.closed = true
    await Promise.allSettled(this.inside)
  }
}
