import type { CommandIntent } from "@credit/domain/Command"
import { commandPayloads } from "@credit/domain/Command"
import { encodeFailure, transactionId } from "@credit/domain/decide"
import { InvalidRequest, type RequestInProgress } from "@credit/domain/Refusal"
import { Caller, DecidedBy, Kind } from "@credit/rpc/Access"
import type { RpcPayload, RpcSuccessEncoded } from "@credit/rpc/types"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { Engine } from "../commands/Engine.ts"
import { EncodedExit } from "../commands/Submission.ts"
import { Settings } from "../config/Settings.ts"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { dryRun, idempotencyKey } from "./CallHeaders.ts"
import { ContractInvalid, requestsOf } from "./Contract.ts"

/** A handler whose answer is in wire form already: as the text of an exit. */
type EncodedHandler = (
  payload: unknown,
  options: { readonly headers: Headers }
) => Effect.Effect<EncodedExit, unknown, Caller>

/**
 * Makes handlers that answer in wire form, under the RPCs' own keys. Here, and only here, the types of the contract are
 * stepped around: to `effect/rpc` an {@link EncodedExit} is a value like any other, which the endpoint recognises and sends
 * as it is. That the text is what the contract says is up to who makes it: stored answers are held to it by the domain's
 * types, queries by {@link QueryAnswers}.
 */
const encodedHandlers = <Tag extends string>(
  handlers: ReadonlyMap<Rpc.AnyWithProps, EncodedHandler>
): Context.Context<Rpc.Handler<Tag>> => {
  const entries = new Map<string, unknown>()
  for (const [rpc, handler] of handlers) entries.set(rpc.key, { tag: rpc._tag, handler, context: Context.empty() })
  return Context.makeUnsafe<Rpc.Handler<Tag>>(entries)
}

const rpcsOfKind = (group: RpcGroup.Any, kind: "command" | "query"): ReadonlyArray<Rpc.AnyWithProps> =>
  requestsOf(group).filter((rpc) => Context.getOrUndefined(rpc.annotations, Kind) === kind)

/** How long the caller is told to wait when its command goes on without it. */
const IN_PROGRESS_RETRY_SECONDS = 1

/**
 * Every command of a group that the engine decides is answered alike: its key is checked, and the engine runs it to its end. A caller that has
 * waited for the request deadline is told `RequestInProgress`; the command goes on.
 */
export const commandHandlers = <Tag extends CommandIntent["type"]>(
  group: RpcGroup.Any
): Layer.Layer<Rpc.Handler<Tag>, ContractInvalid, Engine | Settings> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const engine = yield* Engine
      const { requestDeadline } = yield* Settings
      const handlers = new Map<Rpc.AnyWithProps, EncodedHandler>()
      for (const rpc of rpcsOfKind(group, "command")) {
        const type = rpc._tag
        if (Context.get(rpc.annotations, DecidedBy) !== "engine") continue
        if (!isCommandType(type))
          return yield* new ContractInvalid({ problems: [`${type} is no command of the domain`] })
        handlers.set(rpc, (payload, { headers }) =>
          Effect.flatMap(Caller, (caller) => {
            const key = idempotencyKey(headers)
            if (key instanceof InvalidRequest) return Effect.fail(key)
            const dry = dryRun(headers)
            if (dry instanceof InvalidRequest) return Effect.fail(dry)
            return Effect.timeoutOrElse(
              engine.submit({ intent: commandIntent(type, payload), key, dryRun: dry, caller }),
              { duration: requestDeadline, orElse: () => Effect.succeed(inProgress(caller, type, key)) }
            )
          })
        )
      }
      return encodedHandlers<Tag>(handlers)
    })
  )

const isCommandType = (tag: string): tag is CommandIntent["type"] => Object.hasOwn(commandPayloads, tag)

/** The payload was decoded by the RPC of this name, whose schema is the command's. */
const commandIntent = (type: CommandIntent["type"], payload: unknown): CommandIntent =>
  ({ type, payload }) as CommandIntent

const inProgress = (caller: Caller["Service"], type: CommandIntent["type"], key: string): EncodedExit => {
  const error: typeof RequestInProgress.Encoded = {
    _tag: "RequestInProgress",
    retryAfterSeconds: IN_PROGRESS_RETRY_SECONDS,
    meta: { transactionId: transactionId(caller.merchantId, type, key), replayed: false }
  }
  return new EncodedExit(encodeFailure(error), error._tag)
}

/** For each query of a group how it is answered: in wire form, from the caller's merchant's database. */
export type QueryAnswers<Group extends RpcGroup.Any, Tag extends string> = {
  readonly [T in Tag]: (
    database: MerchantDatabase,
    payload: RpcPayload<Group, T>,
    caller: Caller["Service"]
  ) => Effect.Effect<RpcSuccessEncoded<Group, T>, unknown>
}

/** The queries of a group that `answers` names. */
export const queryHandlers = <Group extends RpcGroup.Any, const Tag extends string>(
  group: Group,
  answers: QueryAnswers<Group, Tag>
): Layer.Layer<Rpc.Handler<Tag>, ContractInvalid, MerchantDatabases> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const databases = yield* MerchantDatabases
      const handlers = new Map<Rpc.AnyWithProps, EncodedHandler>()
      const named = new Map<
        string,
        (database: MerchantDatabase, payload: never, caller: Caller["Service"]) => Effect.Effect<unknown, unknown>
      >(Object.entries(answers))
      for (const rpc of rpcsOfKind(group, "query")) {
        const answer = named.get(rpc._tag)
        if (answer === undefined) continue
        named.delete(rpc._tag)
        handlers.set(rpc, (payload) =>
          Effect.flatMap(Caller, (caller) =>
            Effect.flatMap(databases.get(caller.merchantId), (database) =>
              // The payload was decoded by this RPC's schema.
              Effect.map(answer(database, payload as never, caller), encodeSuccess)
            )
          )
        )
      }
      if (named.size > 0) {
        return yield* new ContractInvalid({
          problems: [...named.keys()].map((tag) => `${tag} is no query of the contract`)
        })
      }
      return encodedHandlers<Tag>(handlers)
    })
  )

const encodeSuccess = (value: unknown): EncodedExit =>
  new EncodedExit(`{"_tag":"Success","value":${JSON.stringify(value)}}`)
