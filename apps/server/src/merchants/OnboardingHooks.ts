import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MerchantUrls } from "./MerchantUrls.ts"

/** What a part of the service did for a new merchant, or that it cannot; may be asked again at any time. */
export interface HookReport {
  readonly outcome: "done" | "already_done" | "not_yet"
  readonly detail: string
}

/** It should have been possible; trying again may help. */
export class HookFailed extends Data.TaggedError("HookFailed")<{ readonly problem: string }> {}

/** What onboarding asks of parts of the service that it does not know. */
export class OnboardingHooks extends Context.Service<
  OnboardingHooks,
  {
    /** Gives the jobs of the merchant's database to whoever runs them. */
    registerJobs(urls: MerchantUrls): Effect.Effect<HookReport, HookFailed>
    /** Shows the merchant's metrics and sends a test event. */
    watch(urls: MerchantUrls): Effect.Effect<HookReport, HookFailed>
  }
>()("@credit/server/merchants/OnboardingHooks") {
  /** A service that has neither jobs nor monitoring says so. */
  static readonly layerNone = Layer.succeed(
    OnboardingHooks,
    OnboardingHooks.of({
      registerJobs: () =>
        Effect.succeed({
          outcome: "not_yet",
          detail: "this service runs no jobs: expiries are booked as accounts are used"
        }),
      watch: () => Effect.succeed({ outcome: "not_yet", detail: "this service sends no metrics and no events" })
    })
  )
}
