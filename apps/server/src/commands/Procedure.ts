import {
  encodeFailure,
  type FieldHashes,
  fingerprint,
  markReplayed,
  type Sender,
  transactionId
} from "@credit/domain/decide"
import { type MerchantId, TransactionId } from "@credit/domain/Ids"
import type { Meta } from "@credit/domain/Meta"
import { InvalidRequest, RequestInProgress } from "@credit/domain/Refusal"
import { Api } from "@credit/rpc/Api"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** What a procedure answers, in rich values and on the wire; its `meta` is added here. */
export type AnswerSchema<A> = Schema.Codec<A, unknown>

/** A command with its key, by which the record of it is found. */
export interface Keyed {
  readonly type: string
  readonly merchantId: MerchantId
  readonly key: string
  readonly dryRun: boolean
  readonly sender: Sender
  /** What was asked, in wire form: the audit log keeps it. */
  readonly payload: unknown
  /** The same for every try of it. */
  readonly transactionId: string
  readonly fingerprint: string
  readonly fieldHashes: FieldHashes
}

/** A command that no batch decides, about one merchant: see `DecidedBy` of the contract. */
export interface Procedure<A> extends Keyed {
  readonly answer: AnswerSchema<A>
}

/** How its caller asked for it. */
export interface Asked {
  readonly key: string
  readonly dryRun: boolean
  readonly sender: Sender
}

export const procedureOf = <A>(
  type: string,
  merchantId: MerchantId,
  payload: unknown,
  asked: Asked,
  answer: AnswerSchema<A>
): Procedure<A> => {
  const transaction = transactionId(merchantId, type, asked.key)
  return {
    type,
    merchantId,
    ...asked,
    answer,
    payload: wirePayload(type, payload),
    transactionId: transaction,
    ...fingerprint(payload, transaction)
  }
}

/** A payload as the contract writes it. */
const wirePayload = (type: string, payload: unknown): unknown => {
  const rpc = Api.requests.get(type)
  return rpc === undefined ? payload : Schema.encodeUnknownSync(Schema.toCodecJson(rpc.payloadSchema))(payload)
}

export type Answered<A> = A & { readonly meta: Meta }

/** Somebody else has taken over: nothing more may be done under this lease. */
export class LeaseLost extends Data.TaggedError("LeaseLost") {}

/** The wire form of what a procedure decided, as it is stored under its key. */
export const encodeAnswer = <A>(procedure: Procedure<A>, value: A): string => {
  const encoded = Schema.encodeUnknownSync(Schema.toCodecJson(procedure.answer))(value)
  return JSON.stringify({
    _tag: "Success",
    value: { ...objectOf(encoded), meta: { transactionId: procedure.transactionId, replayed: false } }
  })
}

/** The only refusal that procedures decide: what else stands in their way passes, or is mended, and is not stored. */
export const encodeRefusal = (procedure: Keyed, { field, message }: InvalidRequest): string =>
  encodeFailure({
    _tag: "InvalidRequest",
    field,
    message,
    meta: { transactionId: procedure.transactionId, replayed: false }
  })

const objectOf = (value: unknown): object => {
  if (typeof value !== "object" || value === null) throw new Error("An answer is an object")
  return value
}

const Stored = Schema.fromJsonString(
  Schema.Union([
    Schema.TaggedStruct("Success", { value: Schema.Unknown }),
    Schema.TaggedStruct("Failure", { cause: Schema.Tuple([Schema.Struct({ error: InvalidRequest })]) })
  ])
)

const WithMeta = Schema.Struct({ meta: Schema.Struct({ transactionId: Schema.String, replayed: Schema.Boolean }) })

/** The answer in a stored text, or the refusal. A text that this service cannot read is a defect. */
export const readAnswer = <A>(
  procedure: Procedure<A>,
  text: string,
  replayed: boolean
): Effect.Effect<Answered<A>, InvalidRequest> =>
  Effect.gen(function* () {
    const stored = yield* Schema.decodeUnknownEffect(Stored)(replayed ? markReplayed(text) : text)
    if (stored._tag === "Failure") return yield* stored.cause[0].error
    const value = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(procedure.answer))(stored.value)
    const { meta } = yield* Schema.decodeUnknownEffect(WithMeta)(stored.value)
    return { ...value, meta: metaOf(procedure, meta.replayed) }
  }).pipe(Effect.catchTag("SchemaError", Effect.die))

export const metaOf = ({ transactionId }: { readonly transactionId: string }, replayed: boolean): Meta => ({
  transactionId: TransactionId.make(transactionId),
  replayed
})

/**
 * The `meta` of a command about many merchants, each of which keeps its own part of it under the same key. No merchant has
 * the id `*`.
 */
export const metaOfAll = (type: string, key: string, parts: ReadonlyArray<{ readonly replayed: boolean }>): Meta =>
  metaOf({ transactionId: transactionId("*", type, key) }, parts.length > 0 && parts.every(({ replayed }) => replayed))

export const inProgress = (procedure: Keyed, retryAfterSeconds: number): RequestInProgress =>
  new RequestInProgress({ retryAfterSeconds, meta: metaOf(procedure, false) })
