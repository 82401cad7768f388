import * as Predicate from "effect/Predicate"
import type * as Rpc from "effect/rpc/Rpc"
import type { ContractRpcs } from "./Contract.ts"
import { CreditClientError } from "./CreditClientError.ts"

/** The typed errors of each RPC as JSON, those that end its stream included. */
type ErrorJson<R> = R extends Rpc.Any ? Rpc.ErrorExitSchema<R>["Encoded"] : never

/** Every typed error of the contract as JSON, told apart by `_tag`. */
type ContractErrorJson = ErrorJson<ContractRpcs>

/** What an error of the client's promises has: the contract's error by its `_tag`, with its fields as JSON. */
export type CreditError = CreditClientError | (Error & ContractErrorJson)

/** A typed error of the contract, as a plain `Error` with the fields of the contract on it. */
class ContractError extends Error {
  readonly _tag: string

  constructor(fields: { readonly _tag: string }, message: string) {
    super(message)
    Object.assign(this, fields, { name: fields._tag })
    this._tag = fields._tag
  }
}

/**
 * Whether what a promise rejected with is an error of the service or of asking it. Then `_tag` tells which:
 *
 * ```ts
 * catch (error) {
 *   if (isCreditError(error) && error._tag === "InsufficientBalance") return offerTopUp(error.required - error.available)
 *   throw error
 * }
 * ```
 */
export const isCreditError = (error: unknown): error is CreditError =>
  error instanceof ContractError || error instanceof CreditClientError

/** Makes the error that a promise rejects with; `undefined` if `fields` is no typed error in wire form. */
export const contractError = (fields: unknown, message: string): CreditError | undefined => {
  if (!Predicate.hasProperty(fields, "_tag") || !Predicate.isString(fields._tag)) return undefined
  const error: unknown = new ContractError({ ...fields, _tag: fields._tag }, message)
  return isCreditError(error) ? error : undefined
}
