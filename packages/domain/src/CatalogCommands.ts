import * as Schema from "effect/Schema"
import { PositiveCredits } from "./Credits.ts"
import { PositiveRate } from "./Decimal.ts"
import { Code, text } from "./Ids.ts"
import { AccessPeriodDays, Distribution, GrantPolicy, PriceRow } from "./Product.ts"
import { Timestamp } from "./Timestamp.ts"

export const ProductCreate = Schema.Struct({
  productCode: Code,
  title: text(500),
  /** What one purchase or grant gives. */
  credits: PositiveCredits,
  /** How long a lot of it lasts. */
  accessPeriodDays: AccessPeriodDays,
  distribution: Distribution,
  /** At least one for `sellable`, none for `grant`; one per country at most. */
  priceRows: Schema.optionalKey(Schema.Array(PriceRow).check(Schema.isMaxLength(300))),
  /** Of a `grant`, which must have one. */
  grantPolicy: Schema.optionalKey(GrantPolicy),
  /** Now without it; never in the past, at most 100 years ahead. */
  effectiveAt: Schema.optionalKey(Timestamp)
})

export const ProductArchive = Schema.Struct({
  productCode: Code,
  /** Now without it; never in the past, at most 100 years ahead. */
  archivedAt: Schema.optionalKey(Timestamp)
})

export const OperationTypeCreate = Schema.Struct({
  operationTypeCode: Code,
  /** The title of the version before without it. */
  title: Schema.optionalKey(text(500)),
  /** The same for all versions of a code. */
  resourceUnit: Code,
  /** What one unit costs; more than 0. */
  creditsPerUnit: PositiveRate,
  /** Now without it; never in the past, later than the newest version's, at most 100 years ahead. */
  effectiveAt: Schema.optionalKey(Timestamp)
})
