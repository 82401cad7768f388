import { PositiveCredits } from "@credit/domain/Credits"
import { PositiveRate } from "@credit/domain/Decimal"
import { Code, text } from "@credit/domain/Ids"
import { AccessPeriodDays, GrantPolicy } from "@credit/domain/Product"
import * as Schema from "effect/Schema"
import { type PriceRowJson, readPriceRow } from "../commands/prices.ts"
import { readIfThere } from "../connection/SecretFile.ts"
import { UsageProblem } from "../Problem.ts"
import { placeOf } from "../schemaPlace.ts"
import { readToml } from "../toml.ts"

const PriceText = Schema.String.check(
  Schema.makeFilter<string>((given) => readPriceRow(given)._tag === "Success", {
    expected: 'a price such as "AM:AMD:29900" or "*:USD:9.99"'
  })
)

/** A product of the file: with `prices` it is sold, with `grant` it is given away. */
const FileProduct = Schema.Struct({
  code: Code,
  title: text(500),
  credits: PositiveCredits,
  /** Days. */
  period: AccessPeriodDays,
  prices: Schema.optionalKey(Schema.Array(PriceText).check(Schema.isMinLength(1), Schema.isMaxLength(300))),
  grant: Schema.optionalKey(GrantPolicy)
}).check(
  Schema.makeFilter(({ grant, prices }) =>
    (grant === undefined) === (prices === undefined)
      ? { path: ["prices"], issue: "a product has either prices or a grant policy" }
      : undefined
  )
)
export type FileProduct = typeof FileProduct.Encoded

/** A rate of the file. It is text, for a number of TOML or JSON is not exact. */
const FileRate = Schema.Struct({
  type: Code,
  unit: Code,
  rate: PositiveRate,
  title: Schema.optionalKey(text(500))
})
export type FileRate = typeof FileRate.Encoded

const unique = (name: string) => ({ expected: `each ${name} once` })

const CatalogFile = Schema.Struct({
  products: Schema.optionalKey(
    Schema.Array(FileProduct).check(
      Schema.makeFilter<ReadonlyArray<{ readonly code: string }>>(
        (products) => new Set(products.map(({ code }) => code)).size === products.length,
        unique("code")
      )
    )
  ),
  rates: Schema.optionalKey(
    Schema.Array(FileRate).check(
      Schema.makeFilter<ReadonlyArray<{ readonly type: string }>>(
        (rates) => new Set(rates.map(({ type }) => type)).size === rates.length,
        unique("type")
      )
    )
  )
})

/** Products and rates as they shall be. */
export interface WantedCatalog {
  readonly products: ReadonlyArray<FileProduct>
  readonly rates: ReadonlyArray<FileRate>
}

/** The price rows of a product of the file, in the order in which the service tells them: `*` first, then by country. */
export const wantedPrices = ({ prices = [] }: FileProduct): ReadonlyArray<PriceRowJson> =>
  prices
    .flatMap((given) => {
      const row = readPriceRow(given)
      return row._tag === "Success" ? [row.success] : []
    })
    .toSorted((a, b) => (a.country < b.country ? -1 : 1))

/** Reads a catalog: TOML, or JSON if its name ends so. Throws a {@link UsageProblem} that names the place. */
export const readCatalog = async (file: string): Promise<WantedCatalog> => {
  const found = readIfThere(file)
  if (found === undefined) throw new UsageProblem({ message: `There is no file ${file}` })
  const document = file.endsWith(".json") ? readJson(file, found.text) : await readToml(file, found.text)
  const decoded = Schema.decodeUnknownResult(CatalogFile, { onExcessProperty: "error" })(document)
  if (decoded._tag === "Failure") throw new UsageProblem({ message: `${file}: ${placeOf(decoded.failure)}` })
  const wanted = Schema.encodeSync(CatalogFile)(decoded.success)
  return { products: wanted.products ?? [], rates: wanted.rates ?? [] }
}

const readJson = (file: string, given: string): unknown => {
  try {
    return JSON.parse(given)
  } catch {
    throw new UsageProblem({ message: `${file} is not JSON` })
  }
}
