import { PriceRow } from "@credit/domain/Product"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export type PriceRowJson = typeof PriceRow.Encoded

export const EXPECTED_ROW =
  "a country (or * for elsewhere), a currency and an amount, such as AM:USD:9.99 or *:USD:9.99"

/** `AM:USD:9.99`: what something costs in one country, or with `*` everywhere else. */
export const readPriceRow = (given: string): Result.Result<PriceRowJson, string> => {
  const [country = "", currency = "", amount = "", ...more] = given.split(":")
  const row = { country, currency, amount }
  const decoded = Schema.decodeUnknownResult(PriceRow)(row)
  return more.length === 0 && decoded._tag === "Success" ? Result.succeed(row) : Result.fail(EXPECTED_ROW)
}

/** A price row as it is written: the reverse of {@link readPriceRow}. */
export const priceRowText = ({ amount, country, currency }: PriceRowJson): string => `${country}:${currency}:${amount}`
