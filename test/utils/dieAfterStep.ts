import { TokenSigner } from "@credit/server/access/TokenSigner"
import { Settings } from "@credit/server/config/Settings"
import { MerchantDatabases } from "@credit/server/merchants/MerchantDatabases"
import { MerchantDirectory } from "@credit/server/merchants/MerchantDirectory"
import { OnboardingHooks } from "@credit/server/merchants/OnboardingHooks"
import { onboardMerchant } from "@credit/server/merchants/onboardMerchant"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Onboards a merchant in a process of its own that is killed the moment a step is done, or, for the step `answer`, when all
 * is committed and nobody has been told. Arguments: merchant, key, step.
 */
const [merchantId = "", key = "", step = ""] = process.argv.slice(2)

const die = Effect.sync(() => process.kill(process.pid, "SIGKILL"))

const ground = Layer.mergeAll(MerchantDatabases.layer, TokenSigner.layer, OnboardingHooks.layerNone).pipe(
  Layer.provideMerge(MerchantDirectory.layer),
  Layer.provideMerge(Settings.layer),
  Layer.provideMerge(NodeFileSystem.layer)
)

await Effect.runPromise(
  onboardMerchant(
    { merchantId, settings: { legalName: "Ann's Pens" } },
    { key, dryRun: false, sender: { role: "operator", subject: "ada", tokenId: "t-1" } },
    undefined,
    (progress) => (progress._tag === "StepDone" && progress.step === step ? Effect.asVoid(die) : Effect.void)
  ).pipe(Effect.andThen(die), Effect.provide(ground))
)
