import { Caller } from "@credit/rpc/Access"
import { Exports } from "@credit/rpc/Exports"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { exportLedger } from "./queries.ts"

export const exportHandlers = Exports.toLayer(
  Effect.map(MerchantDatabases, (databases) =>
    Exports.of({
      ExportLedger: (payload) =>
        Stream.unwrap(
          Effect.flatMap(Caller, ({ merchantId }) =>
            Effect.map(databases.get(merchantId), (database) => exportLedger(database, payload))
          )
        )
    })
  )
)
