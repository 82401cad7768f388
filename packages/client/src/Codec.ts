import { InvalidRequest } from "@credit/domain/Refusal"
import { Kind } from "@credit/rpc"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Stream from "effect/Stream"
import type { NextPart } from "./Calls.ts"
import type { PlainSchema, RpcDefinition } from "./Contract.ts"
import { CreditClientError } from "./CreditClientError.ts"
import { typedError, type WireExit } from "./Wire.ts"

/** The schemas of one RPC. */
export interface RpcSchemas {
  readonly tag: string
  readonly kind: "command" | "query"
  readonly streamed: boolean
  readonly payload: PlainSchema
  /** What it answers with, or one value of what it streams. */
  readonly success: PlainSchema
  /** Every typed error that it may fail with. */
  readonly error: PlainSchema
}

/** The contract's schemas need no services, streamed or not. */
const isStreamed = (schema: PlainSchema): schema is PlainSchema & RpcSchema.Stream<PlainSchema, PlainSchema> =>
  RpcSchema.isStreamSchema(schema)

export const schemasOf = (rpc: RpcDefinition): RpcSchemas => {
  const streamed = isStreamed(rpc.successSchema) ? rpc.successSchema : undefined
  return {
    tag: rpc._tag,
    kind: Option.getOrThrowWith(
      Context.getOption(rpc.annotations, Kind),
      () => new Error(`The contract does not say whether ${rpc._tag} is a command or a query`)
    ),
    streamed: streamed !== undefined,
    payload: rpc.payloadSchema,
    success: streamed?.success ?? rpc.successSchema,
    error: Schema.Union([
      rpc.errorSchema,
      ...(streamed === undefined ? [] : [streamed.error]),
      ...Array.from(rpc.middlewares, (middleware) => middleware.error)
    ])
  }
}

/** Decodes by a schema; what does not fit is an answer that is not the contract's. */
export const decodeBy = <S extends PlainSchema>(
  tag: string,
  schema: S
): ((value: unknown) => Effect.Effect<S["Type"], CreditClientError>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (value) => Effect.mapError(decode(value), (error) => strangeAnswer(tag, error))
}

/** Makes of a typed error in wire form the error that the caller gets. */
export type DecodeError = (typed: unknown) => Effect.Effect<unknown, CreditClientError>

/** Turns the end of a call into a success or a failure with the typed error. */
export const fromExit =
  <A, E>(tag: string, value: (value: unknown) => Effect.Effect<A, E>, error: DecodeError) =>
  (exit: WireExit): Effect.Effect<A, unknown> => {
    if (exit._tag === "Success") return value(exit.value)
    const typed = typedError(exit)
    return typed === undefined
      ? Effect.fail(clientFault(tag, "the service failed without saying how"))
      : Effect.flatMap(error(typed), Effect.fail)
  }

/** A streamed answer, part by part, up to its exit. */
export const streamOf = (
  tag: string,
  next: NextPart,
  values: (values: ReadonlyArray<unknown>) => Effect.Effect<readonly [unknown, ...Array<unknown>], CreditClientError>,
  error: DecodeError
): Stream.Stream<unknown, unknown> => {
  const end = fromExit(tag, () => Cause.done(), error)
  return Stream.fromPull(
    Effect.succeed(Effect.flatMap(next, (part) => (part._tag === "Exit" ? end(part.exit) : values(part.values))))
  )
}

/** The payload is refused before it is sent; the service would say the same. */
export const refusePayload = (error: Schema.SchemaError): InvalidRequest => {
  const [issue] = explain(error.issue).issues
  return new InvalidRequest({
    field: (issue?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join("."),
    message: issue?.message ?? "Not valid"
  })
}

const explain = SchemaIssue.makeFormatterStandardSchemaV1()

/** Names the place in the answer, never the values there. */
const strangeAnswer = (tag: string, error: Schema.SchemaError): CreditClientError =>
  clientFault(tag, `the answer is not what the contract says, at "${refusePayload(error).field}"`)

export const clientFault = (tag: string, detail: string): CreditClientError =>
  new CreditClientError({ reason: "answer", rpc: tag, attempts: 1, message: `${tag}: ${detail}` })
