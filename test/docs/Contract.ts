import { AccessError, Kind, RequiredRole, RoleForPayload } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"
import * as RpcSchema from "effect/rpc/RpcSchema"
import type * as Schema from "effect/Schema"
import { errorComments, rpcComments } from "./Comments.ts"
import { type Field, nameOf, Types } from "./Types.ts"

export interface RpcDoc {
  readonly tag: string
  readonly kind: "command" | "query"
  readonly streams: boolean
  readonly role: string
  /** Whether some payloads need a higher role. */
  readonly roleVaries: boolean
  readonly comment: string
  /** The fields of each form that its payload may have. */
  readonly payloads: ReadonlyArray<ReadonlyArray<Field>>
  readonly answer: { readonly type: string; readonly fields: ReadonlyArray<Field> }
  /** The errors of its own, beside those of every RPC or every command. */
  readonly errors: ReadonlyArray<string>
}

export interface ErrorDoc {
  readonly tag: string
  readonly comment: string
  readonly fields: ReadonlyArray<Field>
}

export interface ContractDoc {
  readonly rpcs: ReadonlyArray<RpcDoc>
  readonly everyRpc: ReadonlyArray<string>
  readonly everyCommand: ReadonlyArray<string>
  readonly errors: ReadonlyArray<ErrorDoc>
  readonly shapes: ReadonlyArray<{
    readonly name: string
    /** What it is, if it has no fields. */
    readonly type: string
    readonly fields: ReadonlyArray<Field>
  }>
}

/** The contract as data, from its schemas, its annotations and the comments in its source. */
export const describeContract = (): ContractDoc => {
  const types = new Types()
  const errors = new Map<string, ErrorDoc>()
  const comments = errorComments()
  /** The tags of an error schema's members; each is described once. */
  const tagsOf = (schema: Schema.Top): ReadonlyArray<string> =>
    membersOf(schema).flatMap((member) => {
      const tag = nameOf(member.ast)
      if (tag === undefined) return []
      errors.set(tag, { tag, comment: comments.get(tag) ?? "", fields: fieldsOf(types, member) })
      return [tag]
    })

  const everyRpc = tagsOf(AccessError)
  const all = Array.from(Api.requests.values(), (rpc) => ({ rpc, schemas: schemasOf(rpc) }))
  const tags = new Map<string, ReadonlyArray<string>>(all.map(({ rpc, schemas }) => [rpc._tag, tagsOf(schemas.error)]))
  const commands = all.filter(({ rpc }) => Context.getUnsafe(rpc.annotations, Kind) === "command")
  const everyCommand = (tags.get(commands[0]?.rpc._tag ?? "") ?? []).filter(
    (tag) => !everyRpc.includes(tag) && commands.every(({ rpc }) => tags.get(rpc._tag)?.includes(tag))
  )
  const said = rpcComments()
  const rpcs = all.map(({ rpc, schemas }): RpcDoc => {
    const answer = schemas.success.ast
    return {
      tag: rpc._tag,
      kind: Context.getUnsafe(rpc.annotations, Kind),
      streams: schemas.streams,
      role: Context.getUnsafe(rpc.annotations, RequiredRole),
      roleVaries: Context.get(rpc.annotations, RoleForPayload) !== Context.get(Context.empty(), RoleForPayload),
      comment: said.get(rpc._tag) ?? "",
      payloads: membersOf(rpc.payloadSchema).map(({ ast }) => types.fields(ast)),
      answer:
        nameOf(answer) === undefined
          ? { type: "an object", fields: types.fields(answer) }
          : { type: types.describe(answer), fields: [] },
      errors: (tags.get(rpc._tag) ?? []).filter((tag) => !everyRpc.includes(tag) && !everyCommand.includes(tag))
    }
  })
  return { rpcs, everyRpc, everyCommand, errors: [...errors.values()], shapes: describeShapes(types) }
}

/** Shapes name further shapes while they are described. */
const describeShapes = (types: Types): ContractDoc["shapes"] => {
  const described = new Map<string, ContractDoc["shapes"][number]>()
  for (let before = -1; before < described.size; ) {
    before = described.size
    for (const [name, ast] of [...types.shapes]) {
      if (!described.has(name)) described.set(name, { name, fields: types.fields(ast), type: types.spelledOut(ast) })
    }
  }
  return [...described.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

interface RpcLike {
  readonly payloadSchema: Schema.Top
  readonly successSchema: Schema.Top
  readonly errorSchema: Schema.Top
}

const schemasOf = ({ errorSchema, successSchema }: RpcLike) =>
  RpcSchema.isStreamSchema(successSchema)
    ? { streams: true, success: successSchema.success, error: successSchema.error }
    : { streams: false, success: successSchema, error: errorSchema }

const isSchema = (value: unknown): value is Schema.Top => Predicate.hasProperty(value, "ast")

const membersOf = (schema: Schema.Top): ReadonlyArray<Schema.Top> =>
  Predicate.hasProperty(schema, "members") && Array.isArray(schema.members)
    ? schema.members.filter(isSchema).flatMap(membersOf)
    : [schema]

/** The fields of an error class, without its tag. */
const fieldsOf = (types: Types, schema: Schema.Top): ReadonlyArray<Field> =>
  Predicate.hasProperty(schema, "fields") && Predicate.isObject(schema.fields)
    ? Object.entries(schema.fields).flatMap(([name, field]: [string, unknown]) =>
        isSchema(field) && name !== "_tag"
          ? [{ name, optional: field.ast.context?.isOptional ?? false, type: types.describe(field.ast) }]
          : []
      )
    : []
