import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What a report says besides its text. No token, no URL with a password, no payment reference. */
export interface ReportTags {
  readonly merchant_id?: string
  readonly command?: string
  readonly transaction_id?: string
  readonly correlation_id?: string
}

/** Tells those who run the service what they must know, wherever they are told such things. Never fails, never waits. */
export class Reporter extends Context.Service<
  Reporter,
  {
    /** Whether anybody is told. */
    readonly enabled: boolean
    /** A fault of the service. Of its cause only the kind, the code and the stack are told: messages may quote rows. */
    fault(cause: unknown, tags: ReportTags): void
    /** Something that happened as it should and must be known, such as that a merchant takes no commands any more. */
    alert(message: string, tags: ReportTags): void
    /** Sends what was reported, and says whether it got there. */
    readonly flush: Effect.Effect<boolean>
  }
>()("@credit/server/telemetry/Reporter") {
  /** Nobody is told. */
  static readonly layerNone = Layer.succeed(
    Reporter,
    Reporter.of({ enabled: false, fault: () => {}, alert: () => {}, flush: Effect.succeed(false) })
  )
}
