import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"

/** The RPC of a group that has this name. */
type Named<Group extends RpcGroup.Any, Tag extends string> = Extract<RpcGroup.Rpcs<Group>, { readonly _tag: Tag }>

/** The decoded payload of an RPC. */
export type RpcPayload<Group extends RpcGroup.Any, Tag extends string> = Rpc.Payload<Named<Group, Tag>>

/** What an RPC answers, decoded. */
export type RpcSuccess<Group extends RpcGroup.Any, Tag extends string> = Rpc.Success<Named<Group, Tag>>

/** What an RPC answers, in wire form. */
export type RpcSuccessEncoded<Group extends RpcGroup.Any, Tag extends string> = Rpc.SuccessSchema<
  Named<Group, Tag>
>["Encoded"]

/** What an RPC fails with, in wire form, the errors of its middleware not included. */
export type RpcErrorEncoded<Group extends RpcGroup.Any, Tag extends string> = Rpc.ErrorSchema<
  Named<Group, Tag>
>["Encoded"]
