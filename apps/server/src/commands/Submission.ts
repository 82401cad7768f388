import { type CommandIntent, commandTraits } from "@credit/domain/Command"
import { type Command, encodeFailure } from "@credit/domain/decide"
import type { Caller } from "@credit/rpc/Access"

/** A command as it comes from the edge: decoded, its caller verified, its key checked for form. */
export interface Submission {
  readonly intent: CommandIntent
  readonly key: string
  readonly dryRun: boolean
  readonly caller: Caller["Service"]
}

/** An answer already in the wire form of an exit: stored text, sent as it is. */
export class EncodedExit {
  readonly json: string
  /** How it ended, for those who count: `Success`, or the tag of the error. */
  readonly tag: string
  readonly replayed: boolean
  constructor(json: string, tag = "Success", replayed = false) {
    this.json = json
    this.tag = tag
    this.replayed = replayed
  }
}

/** The users a command names by itself; a close, say, names only its operation. */
export const namedUser = ({ intent }: Command): string | undefined =>
  "userId" in intent.payload ? intent.payload.userId : undefined

/**
 * Whether a command can make something of a user who has no account yet. The others are refused without one, and are not
 * worth a row that stays.
 */
export const mayBegin = ({ dryRun, intent }: Command): boolean => !dryRun && commandTraits[intent.type].begins

/** The operation a command names. */
export const namedOperation = ({ intent }: Command): string | undefined =>
  "operationId" in intent.payload ? intent.payload.operationId : undefined

/** The settled purchase a command is about, by its payment reference; its user is found through it. */
export const namedPurchase = ({ intent }: Command): string | undefined =>
  "externalRef" in intent.payload ? intent.payload.externalRef : undefined

/** Whether a command changes what batches decide on, and so runs alone, with the barrier held exclusively. */
export const isExclusive = ({ intent }: Command): boolean => commandTraits[intent.type].barrier === "exclusive"

/** A failure that was not decided and is stored nowhere, as the answer to a command. */
export const failed = (
  command: Command,
  error: { readonly _tag: string; readonly [field: string]: unknown }
): EncodedExit =>
  new EncodedExit(
    encodeFailure({ ...error, meta: { transactionId: command.transactionId, replayed: false } }),
    error._tag
  )
