import { MAX_CREDITS } from "@credit/domain/Credits"
import { Code, text as textOf } from "@credit/domain/Ids"
import { CatalogStatus, type Product } from "@credit/domain/Product"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { maybe, parsedFlag, present, repeated, textArgument, textFlag, wholeFlag } from "../flags/Checked.ts"
import { codeFlag, fixedInstantFlag, pageFlags, periodFlag } from "../flags/Common.ts"
import { confirm, destructiveFlags, writeFlags } from "../flags/Write.ts"
import { type Block, fields } from "../output/Block.ts"
import { type Column, table } from "../output/Table.ts"
import { count, credits, instant, maybeInstant } from "../output/Words.ts"
import { UsageProblem } from "../Problem.ts"
import { Service } from "../Service.ts"
import { EXPECTED_ROW, type PriceRowJson, priceRowText, readPriceRow } from "./prices.ts"
import { tellPage, tellWritten } from "./shared.ts"

export type ProductJson = typeof Product.Encoded
const productFields = (product: ProductJson): Block =>
  fields({
    product: product.productCode,
    title: product.title,
    status: product.status,
    gives: `${count(product.credits, "credit")} for ${count(product.accessPeriodDays, "day")}`,
    prices: product.priceRows.map(priceRowText).join(", "),
    granted: product.grantPolicy,
    "on sale from": instant(product.effectiveAt),
    "archived at": maybeInstant(product.archivedAt)
  })

interface Priced {
  readonly price: string | undefined
  readonly currency: string | undefined
  readonly country: string | undefined
  readonly rows: ReadonlyArray<PriceRowJson>
}

/** All price rows that the flags give: those of `--price-row`, and the one of `--price`. */
const priceRowsOf = ({ country = "*", currency, price, rows }: Priced) => {
  if (price === undefined && currency === undefined && country === "*") return Effect.succeed(rows)
  if (price === undefined || currency === undefined) {
    return Effect.fail(
      new UsageProblem({ message: "--price and --currency belong together, with --country if not for everywhere" })
    )
  }
  return Effect.map(
    Effect.mapError(
      Effect.fromResult(readPriceRow(priceRowText({ country, currency, amount: price }))),
      () =>
        new UsageProblem({
          message: `--country, --currency and --price are not ${EXPECTED_ROW.replace(/, such as.*/, "")}`
        })
    ),
    (row) => [row, ...rows]
  )
}

const create = Command.make(
  "create",
  {
    code: codeFlag("code", "The product's code; for ever, as products are never edited"),
    title: textFlag("title", textOf(500)).pipe(
      Flag.withMetavar("text"),
      Flag.withDescription("What people read, also on receipts")
    ),
    credits: wholeFlag("credits", 1, MAX_CREDITS).pipe(Flag.withDescription("How many credits one of it gives")),
    period: periodFlag,
    price: maybe(
      Flag.String("price").pipe(Flag.withMetavar("decimal"), Flag.withDescription("What it costs, tax included"))
    ),
    currency: maybe(
      Flag.String("currency").pipe(Flag.withMetavar("code"), Flag.withDescription("Of --price, such as USD"))
    ),
    country: maybe(
      Flag.String("country").pipe(
        Flag.withMetavar("code"),
        Flag.withDescription("Where --price holds, such as AM (default: *, everywhere without a price of its own)")
      )
    ),
    rows: repeated(
      parsedFlag("price-row", readPriceRow).pipe(
        Flag.withMetavar("country:currency:amount"),
        Flag.withDescription("Another price, such as AM:USD:9.99; may be given several times")
      )
    ),
    welcome: Flag.Boolean("welcome").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("A grant that every user gets once, on sign-up")
    ),
    effective: maybe(fixedInstantFlag("effective", "From when on (default: now)")),
    ...writeFlags
  },
  Effect.fn("cli.product.create")(function* (given) {
    const { code, credits: gives, dryRun, effective, idempotencyKey, period, title, welcome } = given
    const priceRows = yield* priceRowsOf(given)
    if (welcome && priceRows.length > 0) {
      return yield* new UsageProblem({ message: "A welcome is given away: it has no price" })
    }
    const service = yield* Service
    const written = yield* service.command({ dryRun, idempotencyKey }, (client, options) =>
      client.product.create(
        {
          productCode: code,
          title,
          credits: gives,
          accessPeriodDays: period,
          ...(priceRows.length > 0
            ? { distribution: "sellable" as const, priceRows }
            : {
                distribution: "grant" as const,
                grantPolicy: welcome ? ("apply_on_signup" as const) : ("manual" as const)
              }),
          ...present({ effectiveAt: effective })
        },
        options
      )
    )
    yield* tellWritten(written, `Created the product ${code}`, productFields(written.answer.product))
  })
).pipe(
  Command.withDescription(
    "Create a product: how many credits for how long, and what they cost. Without a price it is a grant, which is given away. Products are never edited: archive one and create another"
  ),
  Command.withShortDescription("Create a product, or without a price a grant"),
  Command.withExamples([
    {
      command:
        'credit-cli product create --code pro-2 --title "Pro" --credits 1000 --period 365 --price 79.00 --currency USD --price-row AM:AMD:29900',
      description: "79 USD, and in Armenia 29900 AMD"
    },
    {
      command: 'credit-cli product create --code spring --title "Spring promotion" --credits 50 --period 30',
      description: "A grant for promotions"
    }
  ])
)

export const productColumns: ReadonlyArray<Column<ProductJson>> = [
  { title: "product", value: ({ productCode }) => productCode },
  { title: "title", value: ({ title }) => title, shrink: true },
  { title: "credits", value: ({ credits: gives }) => credits(gives), right: true },
  { title: "days", value: ({ accessPeriodDays }) => accessPeriodDays, right: true },
  {
    title: "price",
    value: ({ grantPolicy, priceRows }) =>
      grantPolicy === undefined ? priceRows.map(priceRowText).join(" ") : `grant, ${grantPolicy}`,
    shrink: true
  },
  { title: "status", value: ({ status }) => status }
]

const list = Command.make(
  "list",
  {
    status: maybe(
      Flag.Literals("status", CatalogStatus.literals).pipe(
        Flag.withMetavar("status"),
        Flag.withDescription("Only those")
      )
    ),
    ...pageFlags
  },
  Effect.fn("cli.product.list")(function* ({ cursor, limit, status }) {
    const service = yield* Service
    const page = yield* service.query((client, options) =>
      client.product.list({ limit, ...present({ cursor, status }) }, options)
    )
    yield* tellPage(page, table(productColumns, page.products, "No products"))
  })
).pipe(
  Command.withDescription("All products with their prices, by code"),
  Command.withExamples([
    { command: "credit-cli product list", description: "What there is and was" },
    { command: "credit-cli product list --status active", description: "What is sold and given now" }
  ])
)

const archive = Command.make(
  "archive",
  {
    code: textArgument("product", Code).pipe(Argument.withDescription("The product's code")),
    at: maybe(fixedInstantFlag("at", "From when on (default: now)")),
    ...destructiveFlags
  },
  Effect.fn("cli.product.archive")(function* ({ at, code, yes, ...write }) {
    yield* confirm({ ...write, yes }, `Archive the product ${code}? It cannot be brought back`)
    const service = yield* Service
    const written = yield* service.command(write, (client, options) =>
      client.product.archive({ productCode: code, ...present({ archivedAt: at }) }, options)
    )
    yield* tellWritten(written, `Archived the product ${code}`, productFields(written.answer.product))
  })
).pipe(
  Command.withDescription("End a product: it is not sold or given any more. Lots that were issued stay"),
  Command.withExamples([
    { command: "credit-cli product archive starter", description: "Now" },
    { command: "credit-cli product archive starter --at 2027-01-01 --yes", description: "With the year" }
  ])
)

export const product = Command.make("product").pipe(
  Command.withDescription("What is sold and given away"),
  Command.withSubcommands([list, create, archive])
)
