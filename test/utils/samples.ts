import { addSampleCatalog } from "@credit/server/catalog/SampleCatalog"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { MerchantDatabase } from "./Postgres.ts"

/** Puts the sample products and rates into a merchant's catalog. */
export const addSamples = ({ ownerUrl }: Pick<MerchantDatabase, "ownerUrl">): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(PgConnection.make({ url: Redacted.make(ownerUrl) }), addSampleCatalog))
  )

/** A purchase of a sample pack, settled some time ago. */
export const purchaseOf = (userId: string, externalRef: string, productCode: "pro" | "starter" = "pro") => ({
  userId,
  productCode,
  settlementData: {
    externalRef,
    orderPlacedAt: "2026-01-15T10:00:00Z",
    settledAt: "2026-01-15T10:00:05Z",
    pricingSnapshot: { country: "US", currency: "USD", amount: productCode === "pro" ? "79.00" : "9.99" }
  }
})
