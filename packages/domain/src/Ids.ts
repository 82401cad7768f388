import * as Schema from "effect/Schema"

/** A tenant: a lower-case letter, then 1–30 of `[a-z0-9-]`. */
export const MerchantId = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9-]{1,30}$/, { expected: "a merchant id: a lower-case letter, then 1–30 of [a-z0-9-]" })
).pipe(Schema.brand("MerchantId"))
export type MerchantId = typeof MerchantId.Type

/** The merchant's customer: opaque, 1–128 of `[A-Za-z0-9._:@|-]`. No personal data belongs in it. */
export const UserId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9._:@|-]{1,128}$/, { expected: "a user id: 1–128 characters of [A-Za-z0-9._:@|-]" })
).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** A code or reference given by the merchant: 1–200 visible ASCII characters. */
export const Code = Schema.String.check(
  Schema.isPattern(/^[!-~]{1,200}$/, { expected: "1–200 visible ASCII characters" })
)

/** An ISO 4217 currency code in form; the catalog says which are sold in. */
export const Currency = Schema.String.check(
  Schema.isPattern(/^[A-Z]{3}$/, { expected: "an ISO 4217 code such as USD" })
)

/** An ISO 3166-1 alpha-2 country code in form. */
export const Country = Schema.String.check(Schema.isPattern(/^[A-Z]{2}$/, { expected: "an ISO 3166 code such as AM" }))

const uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, { expected: "a lower-case UUID" })
)

export const OperationId = uuid.pipe(Schema.brand("OperationId"))
export type OperationId = typeof OperationId.Type

export const LotId = uuid.pipe(Schema.brand("LotId"))
export type LotId = typeof LotId.Type

export const EntryId = uuid.pipe(Schema.brand("EntryId"))
export type EntryId = typeof EntryId.Type

export const TransactionId = uuid.pipe(Schema.brand("TransactionId"))
export type TransactionId = typeof TransactionId.Type

/**
 * Free text of 1 to `maximum` characters. NUL and lone surrogates are refused: PostgreSQL stores neither, and different
 * lone surrogates would silently become the same replacement character.
 */
export const text = (maximum: number) =>
  Schema.String.check(
    Schema.isBetweenLength(1, maximum),
    Schema.makeFilter<string>((value) => value.isWellFormed() && !value.includes("\u0000"), {
      expected: "well-formed Unicode without NUL"
    })
  )
