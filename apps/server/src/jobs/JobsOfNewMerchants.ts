import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HookFailed, OnboardingHooks } from "../merchants/OnboardingHooks.ts"
import { registerJobsOf } from "./JobRegistration.ts"

/** Onboarding gives the jobs of a new merchant's database to whoever runs them. */
export const JobsOfNewMerchants = Layer.effect(
  OnboardingHooks,
  Effect.map(OnboardingHooks, (hooks) =>
    OnboardingHooks.of({
      ...hooks,
      registerJobs: (urls) =>
        registerJobsOf(urls).pipe(
          Effect.map((found) => ({
            outcome: "done" as const,
            detail:
              found.runner === "service" ? "the service runs them" : `the pg_cron of ${found.cronDatabase} runs them`
          })),
          Effect.mapError(({ problem }) => new HookFailed({ problem }))
        )
    })
  )
)
