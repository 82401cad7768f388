import type { OnboardingStep, OnboardingStepOutcome } from "@credit/rpc/Merchants"
import * as Effect from "effect/Effect"
import type { MigrationFile } from "../migrations/MigrationFile.ts"
import { migrationStatus } from "../migrations/Migrations.ts"
import { sameLogin } from "./inspectMerchant.ts"
import type { MerchantUrls } from "./MerchantUrls.ts"
import { type DatabaseGround, openSession, ownerUrl } from "./OwnerSession.ts"
import { isCatalogEmpty, mayServe } from "./onboardingSteps.ts"
import type { OnboardPayload } from "./onboardMerchant.ts"

type StepOutcome = typeof OnboardingStepOutcome.Type

/** What a try in earnest would do; changes nothing. Jobs and monitoring are asked to do their part whenever it is tried. */
export const plannedSteps = Effect.fnUntraced(function* (
  urls: MerchantUrls,
  { catalog }: OnboardPayload,
  files: ReadonlyArray<MigrationFile>,
  ground: DatabaseGround | undefined
) {
  const url = ownerUrl(urls)
  const pending = ground === undefined ? files : (yield* migrationStatus({ url, files })).pending
  const initialised = ground?.merchantId !== undefined
  const present = initialised
    ? yield* Effect.scoped(
        Effect.flatMap(openSession(url), (session) =>
          Effect.all({ access: mayServe(session, urls), empty: isCatalogEmpty(session) })
        )
      )
    : { access: false, empty: true }
  const step = (name: OnboardingStep, done: boolean, detail: string): StepOutcome => ({
    step: name,
    outcome: done ? "already_done" : "would_do",
    detail
  })
  const skipped = (name: OnboardingStep, detail: string): StepOutcome => ({ step: name, outcome: "skipped", detail })
  return [
    { step: "validate", outcome: "done", detail: "nothing stands in the way" } satisfies StepOutcome,
    step("database", ground !== undefined, ground === undefined ? "to be created" : "is there"),
    step("migrate", pending.length === 0, `${pending.length} pending`),
    sameLogin(urls)
      ? skipped("access", "the owner serves it: roles are not separated")
      : step("access", present.access, "the runtime's login"),
    step("settings", initialised, initialised ? "stay as they are" : "as given"),
    catalog === "none"
      ? skipped("catalog", "not asked for")
      : step("catalog", !present.empty, "default products and operation types"),
    step("jobs", false, "to be given to whoever runs them"),
    step("monitoring", false, "to be asked"),
    step("token", false, "an app token"),
    step("check", false, "as the service will open it")
  ]
})
