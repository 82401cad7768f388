import { Api } from "@credit/rpc"

import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"

import { makeCalls } from "./Calls.ts"
import type { Abortable, ContractRpcs, Methods } from "./Contract.ts"
import { Door } from "./Door.ts"
import { makeHttpTransport } from "./HttpTransport.ts"
import { jsonMethods } from "./JsonMethods.ts"
import { type ClientOptions, httpOptions } from "./Options.ts"
import { promiseMethods } from "./PromiseMethods.ts"
import { type Metered, type OperationOptions, withOperation } from "./WithOperation.ts"

type PromiseMethods = Methods<ContractRpcs, "promise">
type Open = PromiseMethods["operation"]["open"]
type Close = PromiseMethods["operation"]["recordAndClose"]
type OpenOperation = Awaited<ReturnType<Open>>["operation"]

/** Work that was done, charged and recorded. */
export type ChargedJson<A> = Awaited<ReturnType<Close>> & { readonly value: A }

/** The credit service in promises and plain JSON, with a method for every RPC of the contract. */
export interface CreditPromiseClient extends PromiseMethods {
  /**
   * Runs work as one operation: opens it, runs `work`, closes it with what the work used.
   *
   * The operation is cancelled, and costs nothing, if `work` rejects or `signal` is aborted; `work` gets a signal of its own,
   * and what it does after that was aborted is not charged. Once `work` has resolved it is charged: the close is sent even
   * if the signal is aborted meanwhile, and never followed by a cancel. A close that is refused or cannot be delivered
   * rejects with `OperationNotClosed`, which carries the work's value and the command to send later.
   *
   * With an `idempotencyKey` of your own the whole run can be made again after a crash: the same operation is found again,
   * the work runs again, and it is charged once. After a run that failed, and so was cancelled, use a new key.
   */
  withOperation<A>(
    operation: Parameters<Open>[0],
    work: (operation: OpenOperation, signal: AbortSignal) => Promise<Metered<A, string, string>>,
    options?: OperationOptions & Abortable
  ): Promise<ChargedJson<A>>

  /** Takes no new calls, waits for those under way, then closes the connections. */
  close(): Promise<void>

  [Symbol.asyncDispose](): Promise<void>
}

/**
 * The typed client of the credit service for applications without Effect: payloads and answers are plain JSON (decimals and
 * instants are strings), and promises reject with plain `Error`s that carry the `_tag` and the fields of the contract (see
 * `isCreditError`). Keys and retries are those of `CreditClient`.
 *
 * Throws a `TypeError` for a base URL that is none.
 *
 * ```ts
 * const credit = makeCreditClient({ baseUrl: "http://localhost:3000", token })
 * const { value, userBalance } = await credit.withOperation(
 *   { userId: "user-1", operationTypeCode: "llm_tokens", estimatedAmount: "2.5" },
 *   async () => ({ value: await answer(), resourceAmount: "1.25" })
 * )
 * ```
 */
export const makeCreditClient = (options: ClientOptions): CreditPromiseClient => {
  const transport = makeHttpTransport(httpOptions(options))
  const calls = makeCalls(transport, options)
  const door = new Door()
  const run = withOperation(
    jsonMethods(Api.requests, calls).operation,
    calls.newKey,
    Effect.map(DateTime.now, DateTime.formatIso)
  )
  const close = async () => {
    await door.close()
    await transport.close()
  }
  return {
    ...promiseMethods(Api.requests, calls, door),
    withOperation: (payload, work, given) =>
      door.pass(
        "withOperation",
        run(payload, (operation) => promised(operation, work), given),
        given?.signal
      ),
    close,
    [Symbol.asyncDispose]: close
  }
}

/** The caller's work as an effect: interrupting it aborts its signal. */
const promised = <O, A>(operation: O, work: (operation: O, signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({ try: (signal) => work(operation, signal), catch: (error) => error })
