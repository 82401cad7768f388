import { Meta } from "@credit/domain/Meta"
import { IntentConflict, InvalidRequest, MaintenanceMode, RequestInProgress } from "@credit/domain/Refusal"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { Access, Kind, RequiredRole, type Role } from "./Access.ts"

/** What every command may also fail with, besides the errors of {@link Access}. */
const everyCommand = [RequestInProgress, IntentConflict, InvalidRequest] as const

/**
 * An RPC that writes. Needs an `Idempotency-Key`; answers, errors included, carry `meta`. While the merchant is in
 * maintenance it is refused with `MaintenanceMode` and nothing is stored under its key.
 */
export const command = <
  const Tag extends string,
  Payload extends Schema.Top,
  const Fields extends Schema.Struct.Fields,
  const Errors extends ReadonlyArray<Schema.Top>
>(
  tag: Tag,
  options: { readonly role: Role; readonly payload: Payload; readonly success: Fields; readonly errors: Errors }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: Schema.Struct({ ...options.success, meta: Meta }),
    error: Schema.Union([...options.errors, ...everyCommand, MaintenanceMode])
  })
    .annotate(RequiredRole, options.role)
    .annotate(Kind, "command")
    .middleware(Access)

/** An RPC that only reads: no key, allowed in maintenance. */
export const query = <
  const Tag extends string,
  Payload extends Schema.Top,
  Success extends Schema.Top,
  const Errors extends ReadonlyArray<Schema.Top>
>(
  tag: Tag,
  options: { readonly role: Role; readonly payload: Payload; readonly success: Success; readonly errors: Errors }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: options.success,
    error: Schema.Union([...options.errors, InvalidRequest])
  })
    .annotate(RequiredRole, options.role)
    .annotate(Kind, "query")
    .middleware(Access)
