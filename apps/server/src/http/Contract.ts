import { InvalidRequest } from "@credit/domain/Refusal"
import { Kind, RequiredRole } from "@credit/rpc/Access"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

/** The contract cannot be served as it is: a mistake of the build, found at its start. */
export class ContractInvalid extends Schema.TaggedError<ContractInvalid>()("ContractInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.problems.join("; ")
  }
}

/** One RPC with its decoders and encoders, built once. */
export interface ServedRpc {
  readonly tag: string
  readonly definition: Rpc.AnyWithProps
  /** Under which its handler is found in the context. */
  readonly key: string
  readonly kind: "command" | "query"
  readonly streams: boolean
  readonly decodePayload: (payload: unknown) => Exit.Exit<unknown, InvalidRequest>
  /** The wire text of an exit; a failure to encode is the service's. */
  readonly encodeExit: (exit: Exit.Exit<unknown, unknown>) => Exit.Exit<string, Schema.SchemaError>
  readonly encodeChunk: (values: ReadonlyArray<unknown>) => Exit.Exit<string, Schema.SchemaError>
}

/** Prepares every RPC of a group. Each must say who may call it and whether it writes. */
export const serveContract = (group: RpcGroup.Any): Effect.Effect<ReadonlyMap<string, ServedRpc>, ContractInvalid> =>
  Effect.suspend(() => {
    const problems: Array<string> = []
    const served = new Map<string, ServedRpc>()
    for (const rpc of requestsOf(group)) {
      const kind = Context.getOrUndefined(rpc.annotations, Kind)
      if (kind === undefined) problems.push(`${rpc._tag} does not say whether it is a command or a query`)
      if (Context.getOrUndefined(rpc.annotations, RequiredRole) === undefined) {
        problems.push(`${rpc._tag} does not say who may call it`)
      }
      if (kind !== undefined) served.set(rpc._tag, serveRpc(rpc, kind))
    }
    return problems.length > 0 ? Effect.fail(new ContractInvalid({ problems })) : Effect.succeed(served)
  })

/** The RPCs of a group, with the schemas that the group's own type keeps from view. */
export const requestsOf = (group: RpcGroup.Any): ReadonlyArray<Rpc.AnyWithProps> => {
  const { requests } = group as RpcGroup.RpcGroup<Rpc.AnyWithProps>
  return [...requests.values()]
}

/** Schemas of the contract need no services to decode or encode: what they need would be a mistake of the contract. */
type Codec = Schema.Codec<unknown, unknown>
const codec = (schema: Schema.Top): Codec => Schema.toCodecJson(schema) as Schema.Top as Codec

const serveRpc = (rpc: Rpc.AnyWithProps, kind: "command" | "query"): ServedRpc => {
  const stream = RpcSchema.isStreamSchema(rpc.successSchema) ? rpc.successSchema : undefined
  const decode = Schema.decodeUnknownExit(codec(rpc.payloadSchema), { onExcessProperty: "error" })
  const encodeExit = Schema.encodeUnknownExit(codec(Rpc.exitSchema(rpc)))
  const chunk = stream?.success ?? Schema.Never
  const encodeChunk = Schema.encodeUnknownExit(codec(Schema.Array(chunk)))
  return {
    tag: rpc._tag,
    definition: rpc,
    key: rpc.key,
    kind,
    streams: stream !== undefined,
    decodePayload: (payload) => {
      const decoded = decode(payload)
      return Exit.isSuccess(decoded) ? Exit.succeed(decoded.value) : Exit.fail(invalidPayload(decoded.cause))
    },
    encodeExit: (exit) => Exit.map(encodeExit(exit), (encoded) => JSON.stringify(encoded)),
    encodeChunk: (values) => Exit.map(encodeChunk(values), (encoded) => JSON.stringify(encoded))
  }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "This field is missing"
    return issue._tag === "UnexpectedKey" ? "There is no such field" : SchemaIssue.defaultLeafHook(issue)
  }
})
const LONGEST_TEXT = 200

/** The first thing that is wrong. What the caller sent is not sent back, but for the name of a field, cut short. */
const invalidPayload = (cause: Cause.Cause<Schema.SchemaError>): InvalidRequest => {
  const error = Cause.findErrorOption(cause)
  const issue = Option.isSome(error) ? format(error.value.issue).issues[0] : undefined
  const field = (issue?.path ?? []).map(String).join(".")
  return new InvalidRequest({
    field: cut(field === "" ? "payload" : field),
    message: cut(issue?.message ?? "The payload is not valid")
  })
}

const cut = (text: string): string => (text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}…`)
