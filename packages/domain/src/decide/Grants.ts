import type { ProductState } from "../Product.ts"
import { type Booking, creditDetail } from "./Booking.ts"
import { grantLot, open, requireStaff } from "./common.ts"
import { type Decider, refuse } from "./Decision.ts"

/**
 * Decides `Grant.Apply`: one lot. A welcome grant is given once per user, for ever (rule 9). Whether the sender may give
 * this kind of grant was decided before.
 */
export const grantApply: Decider<"Grant.Apply"> = (state, { grant, userId }, { newId, sender }) => {
  if (grant.type !== "welcome") requireStaff(sender, `A ${grant.type} grant`)
  const booking = open(state, userId, newId)
  switch (grant.type) {
    case "welcome": {
      if (state.welcomed.has(userId)) return unavailable("already_granted", booking)
      const product = state.welcomeProduct
      if (product === null) return unavailable("no_welcome_product", booking)
      const lot = { source: "welcome", ...template(product) } as const
      return grantLot(state, booking, lot, creditDetail("welcome", product.credits), { welcomed: userId })
    }
    case "promo": {
      const product = state.products.get(grant.productCode)
      if (product === undefined) return unavailable("product_not_found", booking)
      if (!grantable(product, booking.now)) return unavailable("product_not_grantable", booking)
      const detail = creditDetail("promo", product.credits, { actor: sender.subject })
      return grantLot(state, booking, { source: "promo", ...template(product) }, detail)
    }
    case "manual": {
      const detail = creditDetail("manual", grant.credits, { note: grant.justification, actor: sender.subject })
      const lot = {
        source: "manual",
        productCode: null,
        externalRef: null,
        credits: grant.credits,
        accessPeriodDays: grant.accessPeriodDays
      } as const
      return grantLot(state, booking, lot, detail)
    }
  }
}

const unavailable = (
  reason: "already_granted" | "no_welcome_product" | "product_not_found" | "product_not_grantable",
  booking: Booking
) => refuse({ _tag: "GrantUnavailable", reason }, booking)

const template = (product: ProductState) => ({
  productCode: product.productCode,
  externalRef: null,
  credits: product.credits,
  accessPeriodDays: product.accessPeriodDays
})

/** A promo uses an active grant product; the one for sign-ups is given by `welcome` alone, which counts. */
const grantable = (product: ProductState, now: number): boolean =>
  product.distribution === "grant" &&
  product.grantPolicy === "manual" &&
  product.effectiveAt <= now &&
  (product.archivedAt === null || now < product.archivedAt)
