import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Calls } from "./Calls.ts"
import { decodeBy, fromExit, type RpcSchemas, refusePayload, schemasOf, streamOf } from "./Codec.ts"
import { type Methods, makeMethods, type Requests, type RpcDefinition } from "./Contract.ts"
import type { CommandOptions } from "./Options.ts"

/** The methods of a contract in rich values, as effects. */
export const effectMethods = <R extends RpcDefinition>(requests: Requests<R>, calls: Calls): Methods<R, "effect"> =>
  makeMethods<R, "effect">(requests, (rpc) => {
    const schemas = schemasOf(rpc)
    return schemas.streamed ? streamMethod(schemas, calls) : effectMethod(schemas, calls)
  })

const encoder = (schemas: RpcSchemas) => {
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(schemas.payload), { onExcessProperty: "error" })
  return (payload: unknown) => Effect.mapError(encode(payload), refusePayload)
}

const effectMethod = (schemas: RpcSchemas, calls: Calls) => {
  const { kind, tag } = schemas
  const encode = encoder(schemas)
  const end = fromExit(
    tag,
    decodeBy(tag, Schema.toCodecJson(schemas.success)),
    decodeBy(tag, Schema.toCodecJson(schemas.error))
  )
  return (payload: unknown, options?: CommandOptions): Effect.Effect<unknown, unknown> =>
    Effect.useSpan(`CreditClient.${tag}`, { kind: "client" }, ({ sampled, spanId, traceId }) =>
      encode(payload).pipe(
        Effect.flatMap((json) =>
          calls.call({ tag, kind, payload: json, options, parent: { traceId, spanId, sampled } })
        ),
        Effect.flatMap(end)
      )
    )
}

const streamMethod = (schemas: RpcSchemas, calls: Calls) => {
  const { kind, tag } = schemas
  const encode = encoder(schemas)
  const values = decodeBy(tag, Schema.toCodecJson(Schema.NonEmptyArray(schemas.success)))
  const error = decodeBy(tag, Schema.toCodecJson(schemas.error))
  return (payload: unknown, options?: CommandOptions): Stream.Stream<unknown, unknown> =>
    Stream.unwrap(
      encode(payload).pipe(
        Effect.flatMap((json) => calls.open({ tag, kind, payload: json, options })),
        Effect.map((next) => streamOf(tag, next, values, error))
      )
    )
}
