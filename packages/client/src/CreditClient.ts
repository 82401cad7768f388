import { Api } from "@credit/rpc"
import type * as BigDecimal from "effect/BigDecimal"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Calls, makeCalls } from "./Calls.ts"
import type { ContractRpcs, Methods } from "./Contract.ts"
import { effectMethods } from "./EffectMethods.ts"
import { makeHttpTransport } from "./HttpTransport.ts"
import type { OperationNotClosed } from "./OperationNotClosed.ts"
import { type ClientOptions, httpOptions } from "./Options.ts"
import { type Metered, type OperationOptions, withOperation } from "./WithOperation.ts"

type ContractMethods = Methods<ContractRpcs, "effect">
type Open = ContractMethods["operation"]["open"]
type Close = ContractMethods["operation"]["recordAndClose"]
type ClosePayload = Parameters<Close>[0]
type OpenOperation = Effect.Success<ReturnType<Open>>["operation"]

/** Work that was done, charged and recorded. */
export type Charged<A> = Effect.Success<ReturnType<Close>> & { readonly value: A }

/** The credit service, with a method for every RPC of the contract. */
export interface CreditClientShape extends ContractMethods {
  /**
   * Runs work as one operation: opens it, runs `work`, closes it with what the work used.
   *
   * The operation is cancelled, and costs nothing, if `work` fails, dies or is interrupted; that cannot be interrupted
   * itself, and is retried like any command. Once `work` has succeeded it is charged: the close is sent whatever interrupts
   * it, and never followed by a cancel. A close that is refused or cannot be delivered fails with `OperationNotClosed`, which
   * carries the work's value and the command to send later.
   *
   * With an `idempotencyKey` of your own the whole run can be made again after a crash: the same operation is found again,
   * the work runs again, and it is charged once. After a run that failed, and so was cancelled, use a new key.
   */
  withOperation<A, E, R>(
    operation: Parameters<Open>[0],
    work: (operation: OpenOperation) => Effect.Effect<Metered<A, BigDecimal.BigDecimal, DateTime.Utc>, E, R>,
    options?: OperationOptions
  ): Effect.Effect<
    Charged<A>,
    E | Effect.Error<ReturnType<Open>> | OperationNotClosed<A, ClosePayload, Effect.Error<ReturnType<Close>>>,
    R
  >
}

/**
 * The typed client of the credit service.
 *
 * Payloads and answers are rich values: `BigDecimal`, `DateTime.Utc`, branded ids, and the contract's error classes. Every
 * command carries an idempotency key, made by the client unless given, and is sent again with the same key when the
 * connection or the answer was lost, and on `RequestInProgress`, `ServiceUnavailable` and `RateLimited`, after the pause the
 * service asks for, for up to 30 seconds in all. Everything else fails with its typed error at once; a service that cannot
 * be asked, with `CreditClientError`.
 *
 * ```ts
 * const program = Effect.gen(function* () {
 *   const credit = yield* CreditClient
 *   const { balance } = yield* credit.getUserBalance({ userId })
 *   return yield* credit.withOperation({ userId, operationTypeCode: "llm_tokens" }, () => answerTheQuestion)
 * })
 * program.pipe(Effect.provide(CreditClient.layerConfig()))
 * ```
 */
export class CreditClient extends Context.Service<CreditClient, CreditClientShape>()("@credit/client/CreditClient") {
  /** A client of its own, with connections of its own. A base URL that is none is a defect. */
  static readonly layer = (options: ClientOptions): Layer.Layer<CreditClient> =>
    Layer.effect(
      CreditClient,
      Effect.acquireRelease(
        Effect.sync(() => makeHttpTransport(httpOptions(options))),
        (transport) => Effect.promise(() => transport.close())
      ).pipe(Effect.map((transport) => CreditClient.of(fromCalls(makeCalls(transport, options)))))
    )

  /**
   * Reads `CREDIT_SERVICE_URL` (default `http://localhost:3000`), `CREDIT_SERVICE_JWT` and, for operator tokens,
   * `DEFAULT_MERCHANT_ID`.
   */
  static readonly layerConfig = (
    options?: Omit<ClientOptions, "baseUrl" | "token" | "merchantId">
  ): Layer.Layer<CreditClient, Config.ConfigError> =>
    Layer.unwrap(
      Effect.map(environment, ({ baseUrl, merchantId, token }) =>
        CreditClient.layer({
          ...options,
          baseUrl,
          token,
          ...(Option.isSome(merchantId) ? { merchantId: merchantId.value } : {})
        })
      )
    )
}

const environment = Config.all({
  baseUrl: Config.URL("CREDIT_SERVICE_URL").pipe(Config.withDefault(new URL("http://localhost:3000"))),
  token: Config.Redacted("CREDIT_SERVICE_JWT"),
  merchantId: Config.option(Config.NonEmptyString("DEFAULT_MERCHANT_ID"))
})

const fromCalls = (calls: Calls): CreditClientShape => {
  const methods = effectMethods(Api.requests, calls)
  return { ...methods, withOperation: withOperation(methods.operation, calls.newKey, DateTime.now) }
}
