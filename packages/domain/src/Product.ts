/** A product as the rules see it: an immutable template of lots. Instants are epoch milliseconds, prices canonical text. */
export interface ProductState {
  readonly productCode: string
  readonly title: string
  readonly credits: number
  readonly accessPeriodDays: number
  readonly distribution: "sellable" | "grant"
  readonly grantPolicy: "apply_on_signup" | "manual" | null
  readonly effectiveAt: number
  readonly archivedAt: number | null
  readonly prices: ReadonlyArray<PriceState>
}

/** A price row; `country` is `*` for everywhere that has no row of its own. */
export interface PriceState {
  readonly country: string
  readonly currency: string
  readonly amount: string
}

/** One version of a rate, as the rules see it. */
export interface OperationTypeState {
  readonly operationTypeCode: string
  readonly resourceUnit: string
  readonly creditsPerUnit: string
}
