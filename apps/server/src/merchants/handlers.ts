import { Operator } from "@credit/rpc/Access"
import { Merchants } from "@credit/rpc/Merchants"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { TokenSigner } from "../access/TokenSigner.ts"
import { askedBy } from "../commands/askedBy.ts"
import { procedureStream, type Tell } from "../commands/procedureStream.ts"
import type { Settings } from "../config/Settings.ts"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import { loadMigrations } from "../migrations/MigrationFile.ts"
import type { MerchantDatabases } from "./MerchantDatabases.ts"
import type { MerchantDirectory } from "./MerchantDirectory.ts"
import type { OnboardingHooks } from "./OnboardingHooks.ts"
import { onboardMerchant, type Progress } from "./onboardMerchant.ts"
import { tellMerchant } from "./tellMerchant.ts"

type Needs = FileSystem.FileSystem | MerchantDatabases | MerchantDirectory | OnboardingHooks | Settings | TokenSigner

const onboarding = Merchants.toLayerHandler(
  "Merchant.Onboard",
  Effect.gen(function* () {
    const context = yield* Effect.context<Needs>()
    return (payload, { headers }) =>
      Stream.unwrap(
        Effect.gen(function* () {
          const { merchantId } = yield* Operator
          const asked = yield* askedBy(headers)
          return procedureStream((tell: Tell<Progress>) => onboardMerchant(payload, asked, merchantId, tell))
        })
      ).pipe(Stream.provideContext(context))
  })
)

const status = Layer.unwrap(
  Effect.map(loadMigrations(), (files) => {
    const needed = files.reduce((newest, { id }) => Math.max(newest, id), 0)
    return queryHandlers(Merchants, { "Merchant.Status": (database) => tellMerchant(database, needed) })
  })
)

export const merchantHandlers = Layer.merge(onboarding, status)
