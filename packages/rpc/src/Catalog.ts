import { OperationTypeCreate, ProductArchive, ProductCreate } from "@credit/domain/CatalogCommands"
import { PositiveCredits } from "@credit/domain/Credits"
import { Money } from "@credit/domain/Decimal"
import { Code, Country } from "@credit/domain/Ids"
import { OperationType } from "@credit/domain/OperationType"
import { CatalogStatus, Product } from "@credit/domain/Product"
import { TaxBreakdown } from "@credit/domain/Receipt"
import { ProductAlreadyExists, ProductNotFound } from "@credit/domain/Refusal"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { command, query } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

/** A product as it is for sale in one country now. */
export const AvailableProduct = Schema.Struct({
  productCode: Code,
  title: Schema.String,
  credits: PositiveCredits,
  accessPeriodDays: Schema.Int,
  currency: Schema.String,
  /** What is paid, tax included: what `Purchase.Settled` expects in `pricingSnapshot`. */
  amount: Money,
  /** What of it is tax by the merchant's regime. */
  taxBreakdown: TaxBreakdown
}).annotate({ identifier: "AvailableProduct" })

export class Catalog extends RpcGroup.make(
  /**
   * Creates a product: an immutable template of lots, with its prices. Nothing of it can be edited later; to change it,
   * archive it and create another.
   *
   * Role `admin`. A `sellable` product has at least one price row and no grant policy, a `grant` has a policy and no price.
   * One price row per country (ISO 3166-1 alpha-2, or `*` for everywhere else), currencies of ISO 4217, amounts with no
   * more decimals than the currency has; prices include tax. The product begins at `effectiveAt`: now without it, never in
   * the past, at most 100 years ahead. Only one product with the policy `apply_on_signup` is active at any time.
   *
   * Fails with `ProductAlreadyExists`, and `InvalidRequest` naming the field.
   */
  command("Product.Create", {
    role: "admin",
    payload: ProductCreate,
    success: { product: Product },
    errors: [ProductAlreadyExists]
  }),
  /**
   * Ends a product: from `archivedAt` on (now without it, never in the past) it is not sold or given. Orders placed before
   * may still be settled, and lots that were issued stay.
   *
   * Role `admin`. An archiving that is still ahead may be moved, also closer; one that has happened stands, and archiving
   * again without another `archivedAt` answers with the product as it is.
   *
   * Fails with `ProductNotFound`, and `InvalidRequest` (an instant in the past; another one than that which stands; into the
   * time of another product that applies on sign-up).
   */
  command("Product.Archive", {
    role: "admin",
    payload: ProductArchive,
    success: { product: Product },
    errors: [ProductNotFound]
  }),
  /**
   * All products, by code, with all their prices; those of one `status` if so asked.
   *
   * Role `admin`: it tells what is planned. An app asks `ListAvailableProducts`.
   */
  query("Product.List", {
    role: "admin",
    payload: Schema.Struct({ status: Schema.optionalKey(CatalogStatus), ...PageRequest }),
    success: Schema.Struct({ products: Schema.Array(Product), ...PageInfo }),
    errors: []
  }),
  /**
   * What is for sale in a country now, by product code: the country's own price, else the one for everywhere else. Products
   * without either are left out, and so are grants.
   *
   * Role `app`. `country` is two capital letters; one that has no price of its own gets `*`, whether or not ISO 3166 has it.
   */
  query("ListAvailableProducts", {
    role: "app",
    payload: Schema.Struct({ country: Country, ...PageRequest }),
    success: Schema.Struct({ products: Schema.Array(AvailableProduct), ...PageInfo }),
    errors: []
  }),
  /**
   * Sets what one unit of a kind of work costs from `effectiveAt` on: a new version of the rate, which ends the version before
   * it at the same instant, without gap or overlap. Operations that are open keep the rate they captured.
   *
   * Role `admin`. `effectiveAt` is now without it, never in the past, later than the newest version's (also one still ahead),
   * at most 100 years ahead. The unit is the same for all versions of a code: another unit is another code.
   *
   * Answers with the version and with the one it `replaced`. Fails with `InvalidRequest` naming the field.
   */
  command("OperationType.Create", {
    role: "admin",
    payload: OperationTypeCreate,
    success: { operationType: OperationType, replaced: Schema.optionalKey(OperationType) },
    errors: []
  }),
  /**
   * What work costs: every version of every rate, or of one code's, by code and then by time. The `active` one of a code is
   * what an operation captures now.
   *
   * Role `app`.
   */
  query("OperationType.List", {
    role: "app",
    payload: Schema.Struct({
      operationTypeCode: Schema.optionalKey(Code),
      status: Schema.optionalKey(CatalogStatus),
      ...PageRequest
    }),
    success: Schema.Struct({ operationTypes: Schema.Array(OperationType), ...PageInfo }),
    errors: []
  })
) {}
