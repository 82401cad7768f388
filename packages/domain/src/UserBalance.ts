import * as Schema from "effect/Schema"
import { Credits } from "./Credits.ts"
import { UserId } from "./Ids.ts"
import { Lot } from "./Lot.ts"
import { Timestamp } from "./Timestamp.ts"

/** One user's standing at `asOf`. An unknown user has zeros. */
export const UserBalance = Schema.Struct({
  userId: UserId,
  /** Σ of all entries. Negative only by debt. */
  balance: Credits,
  /** Credits that open operations have set aside from new claims. */
  held: Credits,
  /** `balance − held`: what a new operation may claim. May be negative, then nothing new opens. */
  available: Credits,
  /** Work done beyond the credits there were, as a positive number. */
  debt: Credits,
  currency: Schema.Literal("credits"),
  asOf: Timestamp,
  /** Lots with credits left, in the order in which they are spent. */
  activeLots: Schema.Array(Lot)
}).annotate({ identifier: "UserBalance" })
export type UserBalance = typeof UserBalance.Type
