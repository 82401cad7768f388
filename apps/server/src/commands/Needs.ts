import { type Command, keyId } from "@credit/domain/decide"
import { namedOperation, namedPurchase, namedUser } from "./Submission.ts"

/** The names under which a batch looks things up, each once. */
export interface Needs {
  readonly users: ReadonlyArray<string>
  readonly operations: ReadonlyArray<string>
  /** Payment references. */
  readonly references: ReadonlyArray<string>
  /** Those among them whose purchases are to be reversed, or their disputes to be resolved: for the purchases' users. */
  readonly reversed: ReadonlyArray<string>
  /** Codes of products. */
  readonly products: ReadonlyArray<string>
  /** Codes of operation types. */
  readonly operationTypes: ReadonlyArray<string>
  /** Users who ask for their welcome grant. */
  readonly welcomes: ReadonlyArray<string>
  /** Codes of products that are created or archived. */
  readonly changedProducts: ReadonlyArray<string>
  /** Codes of operation types that get another version. */
  readonly changedRates: ReadonlyArray<string>
  /** Kinds of commands, and beside each a key. */
  readonly keyTypes: ReadonlyArray<string>
  readonly keys: ReadonlyArray<string>
}

/** What the decisions on commands may depend on, by name. */
export const needsOf = (commands: ReadonlyArray<Command>): Needs => {
  const users = new Set<string>()
  const operations = new Set<string>()
  const references = new Set<string>()
  const reversed = new Set<string>()
  const products = new Set<string>()
  const operationTypes = new Set<string>()
  const welcomes = new Set<string>()
  const changedProducts = new Set<string>()
  const changedRates = new Set<string>()
  // Once each, however often a key is sent at once: stored answers are long.
  const keys = new Map<string, Command>()
  const add = (set: Set<string>, value: string | undefined) => value !== undefined && set.add(value)
  for (const command of commands) {
    const { intent } = command
    keys.set(keyId(intent.type, command.key), command)
    add(users, namedUser(command))
    add(operations, namedOperation(command))
    add(references, namedPurchase(command))
    add(reversed, namedPurchase(command))
    if (intent.type === "Purchase.Settled") {
      references.add(intent.payload.settlementData.externalRef)
      products.add(intent.payload.productCode)
    } else if (intent.type === "Operation.Open") {
      operationTypes.add(intent.payload.operationTypeCode)
    } else if (intent.type === "Grant.Apply") {
      if (intent.payload.grant.type === "welcome") welcomes.add(intent.payload.userId)
      if (intent.payload.grant.type === "promo") products.add(intent.payload.grant.productCode)
    } else if (intent.type === "Product.Create" || intent.type === "Product.Archive") {
      products.add(intent.payload.productCode)
      changedProducts.add(intent.payload.productCode)
    } else if (intent.type === "OperationType.Create") {
      changedRates.add(intent.payload.operationTypeCode)
    }
  }
  return {
    users: [...users],
    operations: [...operations],
    references: [...references],
    reversed: [...reversed],
    products: [...products],
    operationTypes: [...operationTypes],
    welcomes: [...welcomes],
    changedProducts: [...changedProducts],
    changedRates: [...changedRates],
    keyTypes: Array.from(keys.values(), ({ intent }) => intent.type),
    keys: Array.from(keys.values(), ({ key }) => key)
  }
}
