import { Meta } from "@credit/domain/Meta"
import { IntentConflict, InvalidRequest, MaintenanceMode, RequestInProgress } from "@credit/domain/Refusal"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { Access, DecidedBy, Kind, OperatorAccess, RequiredRole, type Role } from "./Access.ts"
import { MerchantUnknown, ServiceUnavailable } from "./Errors.ts"

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

/** What every procedure may also fail with, besides the errors of {@link OperatorAccess}. */
const everyProcedure = [...everyCommand, MerchantUnknown, ServiceUnavailable] as const

/**
 * A command of an operator that no batch decides: see {@link DecidedBy}. Needs an `Idempotency-Key`, which is kept in the
 * database of the merchant it is about; answers carry `meta`. Open in maintenance.
 */
export const procedure = <
  const Tag extends string,
  Payload extends Schema.Top,
  const Fields extends Schema.Struct.Fields,
  const Errors extends ReadonlyArray<Schema.Top>
>(
  tag: Tag,
  options: { readonly payload: Payload; readonly success: Fields; readonly errors: Errors }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: Schema.Struct({ ...options.success, meta: Meta }),
    error: Schema.Union([...options.errors, ...everyProcedure])
  })
    .annotate(RequiredRole, "operator")
    .annotate(Kind, "command")
    .annotate(DecidedBy, "procedure")
    .middleware(OperatorAccess)

/** Told every few seconds while nothing else is, so that nobody takes the silence of long work for a lost connection. */
const Working = Schema.TaggedStruct("Working", { elapsedMillis: Schema.Int })

/**
 * A {@link procedure} that tells how it goes: a stream of `progress`, whose last element `Done` carries the result with its
 * `meta`. It runs to its end whether or not anybody reads. A replay is the last element alone.
 */
export const streamingProcedure = <
  const Tag extends string,
  Payload extends Schema.Top,
  const Progress extends ReadonlyArray<Schema.Top>,
  const Fields extends Schema.Struct.Fields,
  const Errors extends ReadonlyArray<Schema.Top>
>(
  tag: Tag,
  options: {
    readonly payload: Payload
    readonly progress: Progress
    readonly result: Fields
    readonly errors: Errors
  }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: Schema.Union([
      ...options.progress,
      Working,
      Schema.TaggedStruct("Done", { ...options.result, meta: Meta })
    ]),
    error: Schema.Union([...options.errors, ...everyProcedure]),
    stream: true
  })
    .annotate(RequiredRole, "operator")
    .annotate(Kind, "command")
    .annotate(DecidedBy, "procedure")
    .middleware(OperatorAccess)

/** A {@link query} of an operator about the service, or about merchants that its payload names. */
export const operatorQuery = <
  const Tag extends string,
  Payload extends Schema.Top,
  Success extends Schema.Top,
  const Errors extends ReadonlyArray<Schema.Top>
>(
  tag: Tag,
  options: { readonly payload: Payload; readonly success: Success; readonly errors: Errors }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: options.success,
    error: Schema.Union([...options.errors, InvalidRequest, ServiceUnavailable])
  })
    .annotate(RequiredRole, "operator")
    .annotate(Kind, "query")
    .middleware(OperatorAccess)

/**
 * A query whose answer is a stream of `part`s, as many as there are: asked for with `Content-Type: application/x-ndjson`,
 * sent as fast as the caller reads, without a deadline. It may break off with `ServiceUnavailable` after some parts.
 */
export const streamedQuery = <
  const Tag extends string,
  Payload extends Schema.Top,
  Part extends Schema.Top,
  const Errors extends ReadonlyArray<Schema.Top>
>(
  tag: Tag,
  options: { readonly role: Role; readonly payload: Payload; readonly part: Part; readonly errors: Errors }
) =>
  Rpc.make(tag, {
    payload: options.payload,
    success: options.part,
    error: Schema.Union([...options.errors, InvalidRequest, MerchantUnknown, ServiceUnavailable]),
    stream: true
  })
    .annotate(RequiredRole, options.role)
    .annotate(Kind, "query")
    .middleware(Access)
