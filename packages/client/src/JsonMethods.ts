import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Calls } from "./Calls.ts"
import { clientFault, decodeBy, fromExit, type RpcSchemas, schemasOf, streamOf } from "./Codec.ts"
import { type Methods, makeMethods, type PlainSchema, type Requests, type RpcDefinition } from "./Contract.ts"
import type { CreditClientError } from "./CreditClientError.ts"
import { contractError } from "./CreditError.ts"
import type { CommandOptions } from "./Options.ts"

/**
 * The methods of a contract in plain JSON. Payloads go out as they are (the service says what is wrong with them); answers
 * are checked, and fields that the contract does not know yet are kept.
 */
export const jsonMethods = <R extends RpcDefinition>(requests: Requests<R>, calls: Calls): Methods<R, "json"> =>
  makeMethods<R, "json">(requests, (rpc) => {
    const schemas = schemasOf(rpc)
    return schemas.streamed ? jsonStream(schemas, calls) : jsonEffect(schemas, calls)
  })

/** Checks an answer and hands it on as it came. */
const check = (tag: string, schema: PlainSchema) => {
  const decode = decodeBy(tag, Schema.toEncoded(Schema.toCodecJson(schema)))
  return <A>(value: A): Effect.Effect<A, CreditClientError> => Effect.as(decode(value), value)
}

/** A typed error as the error of a promise. The contract's class knows what to say about it in words. */
const errorOf = ({ error, tag }: RpcSchemas) => {
  const decode = decodeBy(tag, Schema.toCodecJson(error))
  return (typed: unknown) =>
    Effect.match(decode(typed), {
      onSuccess: (known) => (known instanceof Error ? known.message : tag),
      // A tag that a newer service has: what it says is still better than that it is not known here.
      onFailure: () => `${tag} failed`
    }).pipe(
      Effect.flatMap((message) => {
        const failure = contractError(typed, message)
        return failure === undefined ? Effect.fail(clientFault(tag, "the error has no tag")) : Effect.succeed(failure)
      })
    )
}

/** The method of an RPC with one answer. */
export const jsonEffect = (schemas: RpcSchemas, calls: Calls) => {
  const { kind, tag } = schemas
  const end = fromExit(tag, check(tag, schemas.success), errorOf(schemas))
  return (payload: unknown, options?: CommandOptions): Effect.Effect<unknown, unknown> =>
    Effect.flatMap(
      Effect.suspend(() => calls.call({ tag, kind, payload, options })),
      end
    )
}

/** The method of an RPC with a streamed answer. */
export const jsonStream = (schemas: RpcSchemas, calls: Calls) => {
  const { kind, tag } = schemas
  const checked = check(tag, Schema.Array(schemas.success))
  const error = errorOf(schemas)
  return (payload: unknown, options?: CommandOptions): Stream.Stream<unknown, unknown> =>
    Stream.unwrap(
      Effect.map(calls.open({ tag, kind, payload, options }), (next) =>
        streamOf(
          tag,
          next,
          (values) =>
            Arr.isReadonlyArrayNonEmpty(values)
              ? checked(values)
              : Effect.fail(clientFault(tag, "the answer has an empty part")),
          error
        )
      )
    )
}
