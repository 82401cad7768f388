import type { IntentConflict } from "@credit/domain/Refusal"
import type { Api } from "@credit/rpc"
import type * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { CreditClientError } from "./CreditClientError.ts"
import type { CreditError } from "./CreditError.ts"
import type { CommandOptions, QueryOptions } from "./Options.ts"

/** The RPCs of the contract, as a union. */
export type ContractRpcs = RpcGroup.Rpcs<typeof Api>

interface NoServices {
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/** A schema that needs nothing from outside to encode and decode. */
export type PlainSchema = Schema.Top & NoServices

/** What the client needs to know about an RPC while it runs. */
export interface RpcDefinition extends Rpc.Any {
  readonly payloadSchema: PlainSchema
  readonly successSchema: PlainSchema
  readonly errorSchema: PlainSchema
  readonly middlewares: ReadonlySet<{ readonly error: PlainSchema }>
}

/** RPCs by their names in the contract. */
export type Requests<R extends RpcDefinition = RpcDefinition> = ReadonlyMap<string, R>

/** The options of an RPC: every command, and nothing else, may fail with `IntentConflict`. */
type OptionsOf<R> = [Extract<Rpc.ErrorExit<R>, IntentConflict>] extends [never] ? QueryOptions : CommandOptions

/** A method that takes and returns rich values: `BigDecimal`, `DateTime.Utc`, branded ids, error classes. */
export type EffectMethod<R> =
  Rpc.Success<R> extends Stream.Stream<infer A, infer E>
    ? (payload: Rpc.Payload<R>, options?: OptionsOf<R>) => Stream.Stream<A, E | Rpc.Error<R> | CreditClientError>
    : (
        payload: Rpc.Payload<R>,
        options?: OptionsOf<R>
      ) => Effect.Effect<Rpc.Success<R>, Rpc.Error<R> | CreditClientError>

/** The payload of an RPC as JSON. */
export type PayloadJson<R> = R extends { readonly payloadSchema: infer S extends Schema.Top } ? S["Encoded"] : never

/** A method in plain JSON, still as an effect: what the promises are made of. */
export type JsonMethod<R> =
  Rpc.SuccessEncoded<R> extends Stream.Stream<infer A, infer _E>
    ? (payload: PayloadJson<R>, options?: OptionsOf<R>) => Stream.Stream<A, CreditError>
    : (payload: PayloadJson<R>, options?: OptionsOf<R>) => Effect.Effect<Rpc.SuccessEncoded<R>, CreditError>

/** A method that takes and returns plain JSON: decimals and instants are strings. */
export type PromiseMethod<R> =
  Rpc.SuccessEncoded<R> extends Stream.Stream<infer A, infer _E>
    ? (payload: PayloadJson<R>, options?: OptionsOf<R> & Abortable) => AsyncIterable<A>
    : (payload: PayloadJson<R>, options?: OptionsOf<R> & Abortable) => Promise<Rpc.SuccessEncoded<R>>

/** Gives a call up from outside. */
export interface Abortable {
  readonly signal?: AbortSignal
}

/** How the methods of a client speak. */
interface Flavours<R> {
  readonly effect: EffectMethod<R>
  readonly json: JsonMethod<R>
  readonly promise: PromiseMethod<R>
}

/** `Operation.RecordAndClose` → `operation`. */
type Noun<Tag> = Tag extends `${infer Name}.${string}` ? Uncapitalize<Name> : never

/** `Operation.RecordAndClose` → `recordAndClose`. */
type Verb<Tag> = Tag extends `${string}.${infer Name}` ? Uncapitalize<Name> : never

type OfNoun<R extends Rpc.Any, N extends string> = Extract<R, { readonly _tag: `${Capitalize<N>}.${string}` }>

/**
 * One method per RPC, under the RPC's own name: `Operation.RecordAndClose` is `operation.recordAndClose`, and
 * `GetUserBalance` is `getUserBalance`. What each does, who may call it and what it fails with stands with the RPC in
 * `@credit/rpc`.
 */
export type Methods<R extends Rpc.Any, F extends keyof Flavours<never>> = {
  readonly [Q in R as Q["_tag"] extends `${string}.${string}` ? never : Uncapitalize<Q["_tag"]>]: Flavours<Q>[F]
} & {
  readonly [N in Noun<R["_tag"]>]: { readonly [C in OfNoun<R, N> as Verb<C["_tag"]>]: Flavours<C>[F] }
}

/** Where the client has the method of an RPC: `["operation", "recordAndClose"]`, `["getUserBalance"]`. */
export const methodPath = (tag: string): ReadonlyArray<string> =>
  tag.split(".", 2).map((part) => `${part.charAt(0).toLowerCase()}${part.slice(1)}`)

/**
 * Makes the methods of a contract; a new RPC needs no line here.
 *
 * This is the one place where types are stepped around: `method` makes what `Flavours<R>[F]` says of each RPC, which the
 * compiler cannot follow from a loop over the contract. That no method is missing is checked as the client starts, and that
 * values have the types that are promised, by the schemas on their way in.
 */
export const makeMethods = <R extends RpcDefinition, F extends keyof Flavours<never>>(
  requests: Requests<R>,
  method: (rpc: RpcDefinition) => unknown
): Methods<R, F> => {
  const methods: Record<string, unknown> = {}
  const nouns: Record<string, Record<string, unknown>> = {}
  for (const rpc of requests.values()) {
    const [first = "", second] = methodPath(rpc._tag)
    if (second === undefined) methods[first] = method(rpc)
    else nouns[first] = { ...nouns[first], [second]: method(rpc) }
  }
  const all: unknown = { ...methods, ...nouns }
  if (!areMethods<R, F>(requests, all)) throw new Error("Two RPCs of the contract have the same method name")
  return all
}

const areMethods = <R extends RpcDefinition, F extends keyof Flavours<never>>(
  requests: Requests<R>,
  methods: unknown
): methods is Methods<R, F> =>
  Array.from(requests.values()).every((rpc) =>
    Predicate.isFunction(
      methodPath(rpc._tag).reduce<unknown>(
        (value, name) => (Predicate.hasProperty(value, name) ? value[name] : undefined),
        methods
      )
    )
  )
