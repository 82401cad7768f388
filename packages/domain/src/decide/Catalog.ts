import * as DateTime from "effect/DateTime"
import { canonicalDecimal } from "../Decimal.ts"
import { type OperationTypeVersion, presentOperationType } from "../OperationType.ts"
import { type ProductState, presentProduct } from "../Product.ts"
import { DAY, timestampText } from "../Timestamp.ts"
import { type Decider, type Decision, invalid, refuse, succeed } from "./Decision.ts"
import type { State } from "./State.ts"

type ProductPayload = Parameters<Decider<"Product.Create">>[1]

/** Decides `Product.Create`: a product is made once, whole, and never edited. */
export const productCreate: Decider<"Product.Create"> = (state, payload) => {
  const wrong = wrongDistribution(payload)
  if (wrong !== undefined) return wrong
  const effectiveAt = fromNowOn(state, "effectiveAt", payload.effectiveAt)
  if (typeof effectiveAt !== "number") return effectiveAt
  if (state.products.has(payload.productCode)) return refuse({ _tag: "ProductAlreadyExists" })
  const product: ProductState = {
    productCode: payload.productCode,
    title: payload.title,
    credits: payload.credits,
    accessPeriodDays: payload.accessPeriodDays,
    distribution: payload.distribution,
    grantPolicy: payload.grantPolicy ?? null,
    effectiveAt,
    archivedAt: null,
    prices: (payload.priceRows ?? []).map((row) => ({ ...row, amount: canonicalDecimal(row.amount) }))
  }
  const rival = signupRival(state, product)
  if (rival !== undefined) return invalid("grantPolicy", rival)
  return succeed({ product: presentProduct(product, state.now) }, { ground: { _tag: "ProductCreated", product } })
}

/** What of price rows and grant policy does not go with the distribution, if anything. */
const wrongDistribution = ({ distribution, grantPolicy, priceRows = [] }: ProductPayload) => {
  if (distribution === "grant") {
    if (priceRows.length > 0) return invalid("priceRows", "a product that is given away has no price")
    return grantPolicy === undefined ? invalid("grantPolicy", "a product that is given away has one") : undefined
  }
  if (grantPolicy !== undefined) return invalid("grantPolicy", "a product that is sold has none")
  if (priceRows.length === 0) return invalid("priceRows", "a product that is sold has at least one price")
  const countries = new Set<string>()
  for (const [index, { country }] of priceRows.entries()) {
    if (countries.has(country)) return invalid(`priceRows.${index}.country`, `${country} has a price row already`)
    countries.add(country)
  }
  return undefined
}

/** Decides `Product.Archive`: an archiving ahead may be moved, one that has happened stands. */
export const productArchive: Decider<"Product.Archive"> = (state, { archivedAt: given, productCode }) => {
  const product = state.products.get(productCode)
  if (product === undefined) return refuse({ _tag: "ProductNotFound" })
  if (product.archivedAt !== null && product.archivedAt <= state.now) {
    // What was asked is so already; another moment than that cannot be had any more.
    if (given === undefined || DateTime.toEpochMillis(given) === product.archivedAt) {
      return succeed({ product: presentProduct(product, state.now) })
    }
    return invalid("archivedAt", `the product was archived at ${timestampText(product.archivedAt)}, which stands`)
  }
  const archivedAt = fromNowOn(state, "archivedAt", given)
  if (typeof archivedAt !== "number") return archivedAt
  const archived = { ...product, archivedAt }
  const rival = signupRival(state, archived)
  if (rival !== undefined) return invalid("archivedAt", rival)
  return succeed(
    { product: presentProduct(archived, state.now) },
    { ground: { _tag: "ProductArchived", product: archived } }
  )
}

/**
 * Which product applies on sign-up is never a matter of choice: their times do not overlap. To follow one with another,
 * archive the first and let the second begin there.
 */
const signupRival = (state: State, product: ProductState): string | undefined => {
  if (product.grantPolicy !== "apply_on_signup") return undefined
  const rival = state.signupProducts.find((it) => it.productCode !== product.productCode && overlap(it, product))
  if (rival === undefined) return undefined
  const end = rival.archivedAt === null ? "and is not archived" : `until ${timestampText(rival.archivedAt)}`
  return `${rival.productCode} applies on sign-up from ${timestampText(rival.effectiveAt)} ${end}`
}

const overlap = (a: ProductState, b: ProductState): boolean =>
  Math.max(a.effectiveAt, b.effectiveAt) < Math.min(endOf(a), endOf(b))

const endOf = ({ archivedAt }: ProductState): number => archivedAt ?? Number.POSITIVE_INFINITY

/**
 * Decides `OperationType.Create`: a version that begins where the one before it ends. What operations have captured stays
 * (rule 7). The unit of a code never changes: amounts of one code can be added up, and an app that measures by the old
 * unit cannot be charged by the new one; another unit is another code.
 */
export const operationTypeCreate: Decider<"OperationType.Create"> = (state, payload, { newId }) => {
  const effectiveAt = fromNowOn(state, "effectiveAt", payload.effectiveAt)
  if (typeof effectiveAt !== "number") return effectiveAt
  const newest = state.newestOperationTypes.get(payload.operationTypeCode)
  if (newest !== undefined) {
    if (newest.resourceUnit !== payload.resourceUnit) {
      return invalid("resourceUnit", `is ${newest.resourceUnit} for every version of this code`)
    }
    const end = newest.archivedAt ?? newest.effectiveAt + 1
    if (effectiveAt < end) {
      return invalid("effectiveAt", `is not later than the newest version, of ${timestampText(newest.effectiveAt)}`)
    }
  }
  const version: OperationTypeVersion = {
    operationTypeId: newId(state.now),
    operationTypeCode: payload.operationTypeCode,
    title: payload.title ?? newest?.title ?? null,
    resourceUnit: payload.resourceUnit,
    creditsPerUnit: canonicalDecimal(payload.creditsPerUnit),
    effectiveAt,
    archivedAt: null
  }
  const replaced = newest === undefined || newest.archivedAt !== null ? null : { ...newest, archivedAt: effectiveAt }
  return succeed(
    {
      operationType: presentOperationType(version, state.now),
      ...(replaced === null ? {} : { replaced: presentOperationType(replaced, state.now) })
    },
    { ground: { _tag: "OperationTypeCreated", version, replaced } }
  )
}

/** How far ahead the catalog may be planned: with the longest lot on top, still an instant that every part can keep. */
const MAX_AHEAD = 36_500 * DAY

/** An instant of the catalog: now unless given, never in the past, so that what was on sale at a past moment never changes. */
const fromNowOn = (state: State, field: string, given: DateTime.Utc | undefined): number | Decision<never> => {
  if (given === undefined) return state.now
  const instant = DateTime.toEpochMillis(given)
  if (instant < state.now) return invalid(field, "is in the past; leave it out for now")
  return instant > state.now + MAX_AHEAD ? invalid(field, "is more than 100 years ahead") : instant
}
