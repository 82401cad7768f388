import { UserId } from "@credit/domain/Ids"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { streamedQuery } from "./define.ts"

/** How far a verification has come. */
const VerificationProgress = Schema.TaggedStruct("Progress", {
  /** Accounts that were brought to their end. */
  accounts: Schema.Int,
  /** Entries that were followed, those of an account that is not at its end included. */
  entries: Schema.Int,
  receipts: Schema.Int,
  /** The last account so far; absent where there is none yet. */
  userId: Schema.optionalKey(UserId)
})

/** Something that is not the sum of what stands behind it. */
const VerificationFault = Schema.TaggedStruct("Fault", {
  /** Whose; absent where it is no user's. */
  userId: Schema.optionalKey(UserId),
  /** What does not agree with what, with both numbers. For people. */
  problem: Schema.String
})

const VerificationVerdict = Schema.TaggedStruct("Verdict", {
  verdict: Schema.Literals(["intact", "faulty"]),
  accounts: Schema.Int,
  entries: Schema.Int,
  receipts: Schema.Int,
  /** How many there are, also those beyond the hundred that are told. */
  faults: Schema.Int,
  /**
   * SHA-256, in hex, over a line for each account in the order of user ids: its id, seq, balance and head hash (hex), in the
   * canonical form of an entry's fields (`3:ann,1:2,3:479,64:…`), each line with its line feed.
   */
  digest: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
})

/** An element of a verification. */
export const VerificationPart = Schema.Union([VerificationProgress, VerificationFault, VerificationVerdict]).annotate({
  identifier: "VerificationPart"
})

export class Verification extends RpcGroup.make(
  /**
   * Reads the merchant's whole ledger and re-derives what stands on it. By account, from its first entry: entries follow one
   * another without a gap and chain by their hashes (rule 3); balance, debt and what every lot has left are the sums of entries;
   * what is held is the sum of open operations; nobody has credits and debt at once. Then receipts: the numbers of a year have
   * no gap, the last one is the counter's, and every purchase has the one receipt that is of it. Repairs nothing.
   *
   * A stream: `Progress` every part of a second, a `Fault` for each of the first hundred, and the `Verdict` last. A fault is
   * told as soon as it is found, one at most of an account. Without a `Verdict` the verification broke off and says nothing of
   * what it had not reached; it begins anew.
   *
   * Each account is verified as it stands when its turn comes: the merchant works on meanwhile. The digest commits to every
   * account with its history: kept elsewhere, and compared later over a ledger that nothing was written to since (in
   * maintenance, on a restored copy), it shows that no entry was changed, left out or added. Any new entry changes it.
   *
   * The work goes with all entries there are. Short reads, one at a time for a merchant, share that place with exports.
   *
   * Role `admin`. Needs `Content-Type: application/x-ndjson`.
   */
  streamedQuery("VerifyLedger", {
    role: "admin",
    payload: Schema.Struct({}),
    part: VerificationPart,
    errors: []
  })
) {}
