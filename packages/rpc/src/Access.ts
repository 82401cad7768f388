import type { MerchantId, UserId } from "@credit/domain/Ids"
import { InvalidRequest } from "@credit/domain/Refusal"
import * as Context from "effect/Context"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"
import { Forbidden, InternalError, MerchantUnknown, RateLimited, ServiceUnavailable, Unauthorized } from "./Errors.ts"

/**
 * Who may call: each role may do what the roles before it may. `user` sees one user; `app` is the merchant's backend;
 * `admin` the merchant's staff; `operator` runs the service and names the merchant in `X-Merchant-Id`.
 */
export const Role = Schema.Literals(["user", "app", "admin", "operator"])
export type Role = typeof Role.Type

/** The least role that may call an RPC. Every RPC has it: the server refuses to start if one lacks it. */
export const RequiredRole = Context.Service<Role>("@credit/rpc/RequiredRole")

/**
 * A higher role that an RPC needs for some payloads. It is asked of the payload as it came, before it is decoded: who may
 * not call learns nothing about it. `undefined`: the required role is enough.
 */
export const RoleForPayload = Context.Reference<(payload: unknown) => Role | undefined>("@credit/rpc/RoleForPayload", {
  defaultValue: () => () => undefined
})

/** Whether an RPC writes (and so needs an `Idempotency-Key`) or only reads. Every RPC has it. */
export const Kind = Context.Service<"command" | "query">("@credit/rpc/Kind")

/**
 * Who decides a command. `engine`: the rules, in a batch, by what the merchant's database holds. `procedure`: code of its own,
 * for what reaches beyond a batch (databases, keys that sign); such a command stays open in maintenance.
 */
export const DecidedBy = Context.Reference<"engine" | "procedure">("@credit/rpc/DecidedBy", {
  defaultValue: () => "engine"
})

/** The verified caller of an RPC. */
export class Caller extends Context.Service<
  Caller,
  {
    readonly merchantId: MerchantId
    readonly role: Role
    /** The token's `sub`: the merchant, or the operator's name. */
    readonly subject: string
    readonly tokenId: string
    /** The one user that a `user` token may ask about. */
    readonly userId: UserId | undefined
  }
>()("@credit/rpc/Caller") {}

/** Refused before anything was decided; not stored under the key. */
export const AccessError = Schema.Union([
  Unauthorized,
  Forbidden,
  MerchantUnknown,
  InvalidRequest,
  RateLimited,
  ServiceUnavailable,
  InternalError
])

/** Verifies the token, finds the merchant, checks the role; provides the {@link Caller}. */
export class Access extends RpcMiddleware.Service<Access, { provides: Caller }>()("@credit/rpc/Access", {
  error: AccessError
}) {}

/** The verified operator of an RPC that is about the service, or about merchants that its payload names. */
export class Operator extends Context.Service<
  Operator,
  {
    /** The person's name. */
    readonly subject: string
    readonly tokenId: string
    /** What `X-Merchant-Id` says, if it is there; whether the service serves such a merchant was not asked. */
    readonly merchantId: MerchantId | undefined
  }
>()("@credit/rpc/Operator") {}

/** Verifies an operator's token; provides the {@link Operator}. `X-Merchant-Id` may be there and need not. */
export class OperatorAccess extends RpcMiddleware.Service<OperatorAccess, { provides: Operator }>()(
  "@credit/rpc/OperatorAccess",
  { error: AccessError }
) {}
