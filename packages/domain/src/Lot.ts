import * as Schema from "effect/Schema"
import { Credits, PositiveCredits } from "./Credits.ts"
import { Code, LotId, UserId } from "./Ids.ts"
import { LotSource } from "./Reason.ts"
import { Timestamp, timestampText } from "./Timestamp.ts"

/** Credits issued at once: from a purchase, a grant or an adjustment. Open to nothing new from `expiresAt` on. */
export const Lot = Schema.Struct({
  lotId: LotId,
  userId: UserId,
  source: LotSource,
  productCode: Schema.optionalKey(Code),
  creditsTotal: PositiveCredits,
  creditsRemaining: Credits,
  issuedAt: Timestamp,
  expiresAt: Timestamp
}).annotate({ identifier: "Lot" })
export type Lot = typeof Lot.Type

/** A lot as the rules see it. Instants are epoch milliseconds. */
export interface LotState {
  readonly lotId: string
  readonly userId: string
  readonly source: LotSource
  readonly productCode: string | null
  readonly externalRef: string | null
  readonly credits: number
  readonly remaining: number
  readonly issuedAt: number
  readonly expiresAt: number
}

/** The wire form of a lot. */
export const presentLot = (lot: LotState): typeof Lot.Encoded => ({
  lotId: lot.lotId,
  userId: lot.userId,
  source: lot.source,
  ...(lot.productCode === null ? {} : { productCode: lot.productCode }),
  creditsTotal: lot.credits,
  creditsRemaining: lot.remaining,
  issuedAt: timestampText(lot.issuedAt),
  expiresAt: timestampText(lot.expiresAt)
})
