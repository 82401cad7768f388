import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CreditClientError } from "./CreditClientError.ts"
import type { WireAnswer, WireCall, WireExit } from "./Wire.ts"

/**
 * Why one attempt brought no answer. Never holds the token, nor a URL with credentials in it.
 */
export class TransportFailure {
  readonly reason: CreditClientError["reason"]
  /** One clear clause for people: what went wrong, and where. */
  readonly detail: string
  /** Whether the same call may be sent again: the trouble is likely to pass. */
  readonly passing: boolean
  readonly status: number | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(fields: {
    readonly reason: CreditClientError["reason"]
    readonly detail: string
    readonly passing: boolean
    readonly status?: number | undefined
    readonly retryAfterSeconds?: number | undefined
  }) {
    this.reason = fields.reason
    this.detail = fields.detail
    this.passing = fields.passing
    this.status = fields.status
    this.retryAfterSeconds = fields.retryAfterSeconds
  }
}

/**
 * Carries calls to the service: the one seam between what a call means and how it travels. Keys, retries, schemas and both
 * flavours of the client are above it; HTTP is below it. Nothing here is sent twice.
 */
export interface Transport {
  /**
   * Sends one call and waits for its end. Interrupting it, or `timeoutMillis` without an end, gives the call up; the service
   * may carry it out nevertheless.
   */
  readonly send: (call: WireCall, timeoutMillis: number) => Effect.Effect<WireExit, TransportFailure>

  /** Sends a call whose answer is a stream. The scope's end gives the call up. */
  readonly open: (call: WireCall) => Effect.Effect<Answers, never, Scope.Scope>

  /** Ends every connection; calls under way fail as `closed`. */
  readonly close: () => Promise<void>
}

/** A streamed answer that is on its way. */
export interface Answers {
  /** Waits for the next part, `timeoutMillis` at most; the last part is the exit. */
  readonly next: (timeoutMillis: number) => Effect.Effect<WireAnswer, TransportFailure>
}
