import type { MaintenanceState, SettingsState } from "../Merchant.ts"
import type { OperationTypeVersion } from "../OperationType.ts"
import { catalogStatus, type ProductState } from "../Product.ts"
import { HOUR } from "../Timestamp.ts"
import type { State } from "./State.ts"

/** What a command changes of the ground that batches decide on. Such a command runs alone. */
export type GroundChange =
  | { readonly _tag: "ProductCreated"; readonly product: ProductState }
  | { readonly _tag: "ProductArchived"; readonly product: ProductState }
  | {
      readonly _tag: "OperationTypeCreated"
      readonly version: OperationTypeVersion
      /** The version that ends where the new one begins. */
      readonly replaced: OperationTypeVersion | null
    }
  | { readonly _tag: "SettingsChanged"; readonly settings: SettingsState }
  | { readonly _tag: "ClockAdvanced"; readonly clockOffsetHours: number }
  | { readonly _tag: "StatusChanged"; readonly maintenance: MaintenanceState | null }

/** The state as a later command sees it. */
export const changeGround = (state: State, change: GroundChange): State => {
  switch (change._tag) {
    case "ProductCreated":
    case "ProductArchived":
      return withProduct(state, change.product)
    case "OperationTypeCreated": {
      const { version } = change
      const code = version.operationTypeCode
      return {
        ...state,
        newestOperationTypes: new Map(state.newestOperationTypes).set(code, version),
        ...(version.effectiveAt <= state.now
          ? { operationTypes: new Map(state.operationTypes).set(code, version) }
          : {})
      }
    }
    case "SettingsChanged":
      return { ...state, settings: change.settings }
    case "ClockAdvanced": {
      const { clockOffsetHours } = change
      return { ...state, clockOffsetHours, now: state.now + (clockOffsetHours - state.clockOffsetHours) * HOUR }
    }
    case "StatusChanged":
      return { ...state, maintenance: change.maintenance }
  }
}

const withProduct = (state: State, product: ProductState): State => {
  const products = new Map(state.products).set(product.productCode, product)
  if (product.grantPolicy !== "apply_on_signup") return { ...state, products }
  const others = state.signupProducts.filter(({ productCode }) => productCode !== product.productCode)
  const signupProducts = [...others, product]
  const welcomeProduct = signupProducts.find((it) => catalogStatus(it, state.now) === "active") ?? null
  return { ...state, products, signupProducts, welcomeProduct }
}
