import { Caller } from "@credit/rpc/Access"
import { Verification } from "@credit/rpc/Verification"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { verifyLedger } from "./queries.ts"

export const verificationHandlers = Verification.toLayer(
  Effect.map(MerchantDatabases, (databases) =>
    Verification.of({
      VerifyLedger: () =>
        Stream.unwrap(Effect.flatMap(Caller, ({ merchantId }) => Effect.map(databases.get(merchantId), verifyLedger)))
    })
  )
)
