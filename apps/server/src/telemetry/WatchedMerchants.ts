import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HookFailed, OnboardingHooks } from "../merchants/OnboardingHooks.ts"
import { Metrics } from "./Metrics.ts"
import { Reporter } from "./Reporter.ts"

/** Onboarding looks whether a new merchant is seen at `/metrics`, and sends a test event to who is told of faults. */
export const WatchedMerchants = Layer.effect(
  OnboardingHooks,
  Effect.gen(function* () {
    const hooks = yield* OnboardingHooks
    const metrics = yield* Metrics
    const reporter = yield* Reporter
    return OnboardingHooks.of({
      ...hooks,
      watch: ({ merchantId }) =>
        Effect.gen(function* () {
          metrics.show(merchantId)
          const seen = (yield* metrics.text).includes(`merchant_id="${merchantId}"`)
          const visible = seen
            ? "its metrics are at /metrics"
            : "its metrics share the label other: METRICS_MAX_MERCHANTS is reached"
          if (!reporter.enabled)
            return { outcome: "done" as const, detail: `${visible}; SENTRY_DSN is not set: no event was sent` }
          reporter.alert("A merchant was onboarded", { merchant_id: merchantId })
          if (!(yield* reporter.flush)) return yield* new HookFailed({ problem: "the test event was not taken" })
          return { outcome: "done" as const, detail: `${visible}; a test event was sent` }
        })
    })
  })
)
