import { MerchantId } from "@credit/domain/Ids"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { operatorQuery, streamingProcedure } from "./define.ts"
import { PageInfo, PageRequest } from "./Page.ts"

const MerchantIds = Schema.Array(MerchantId).check(Schema.isBetweenLength(1, 1000))

/** A migration: `0003_ledger` has the id 3 and the name `ledger`. */
const Migration = Schema.Struct({ id: Schema.Int, name: Schema.String })

const AppliedNow = Schema.Struct({ ...Migration.fields, durationMillis: Schema.Int })

/** How it went for one merchant. */
const MerchantOutcome = Schema.Struct({
  merchantId: MerchantId,
  /**
   * - `migrated`: it had not had all, and has now
   * - `up_to_date`: there was nothing to do
   * - `pending`: what a dry run would apply
   * - `in_progress`: another try of the same command is at it
   * - `failed`: see `problem`; what was applied before stays applied
   */
  outcome: Schema.Literals(["migrated", "up_to_date", "pending", "in_progress", "failed"]),
  /** The newest migration the database has; absent where it could not be asked. */
  version: Schema.optionalKey(Schema.Int),
  applied: Schema.Array(AppliedNow),
  pending: Schema.optionalKey(Schema.Array(Migration)),
  problem: Schema.optionalKey(Schema.String)
})

/** Why a database cannot be migrated as it is. */
const MigrationFault = Schema.Struct({
  /**
   * - `edited`: a file was changed after it was applied
   * - `gap`: one was applied before an earlier one, or a file that was applied is missing
   * - `newer`: the database has had migrations that this server does not know (a newer server has been here)
   * - `unreachable`: the database could not be asked
   * - `foreign`: the database is another merchant's
   */
  reason: Schema.Literals(["edited", "gap", "newer", "unreachable", "foreign"]),
  problem: Schema.String
})

export class Migrations extends RpcGroup.make(
  /**
   * Applies what merchants' databases have not had yet, four at a time: those of `merchantIds`, or every one there is. With
   * `MERCHANT_DATABASE_URL_TEMPLATE` that is every database of its server whose name the template makes of a merchant id
   * and that is that merchant's. It does not make merchants: see `Merchant.Onboard`.
   *
   * Role `operator`; `X-Merchant-Id` plays no part. A stream of what happens, by merchant and file; the last element says how
   * it went for each. One merchant's failure stops no other. Each merchant's database keeps its own part under the key, with
   * its line in the audit log: sent again with the same key, parts that succeeded are replayed, and the others run again.
   * Two runs at once are safe; the second waits. A dry run says what is pending.
   *
   * Fails with `IntentConflict` (the key was used for other merchants) and `RequestInProgress` (another try of the same
   * command is at all of them).
   */
  streamingProcedure("Migration.Run", {
    payload: Schema.Struct({ merchantIds: Schema.optionalKey(MerchantIds) }),
    progress: [
      /** Another runner is at work on this database; this one takes its turn. */
      Schema.TaggedStruct("Waiting", { merchantId: MerchantId }),
      Schema.TaggedStruct("Applying", {
        merchantId: MerchantId,
        ...Migration.fields,
        /** Of `total`, from 1. */
        position: Schema.Int,
        total: Schema.Int
      }),
      Schema.TaggedStruct("Applied", {
        merchantId: MerchantId,
        ...AppliedNow.fields,
        position: Schema.Int,
        total: Schema.Int
      }),
      Schema.TaggedStruct("MerchantDone", MerchantOutcome.fields)
    ],
    result: { merchants: Schema.Array(MerchantOutcome) },
    errors: []
  }),
  /**
   * What merchants' databases have had and still need; changes nothing. By merchant id, a page at a time; the databases of a
   * page are asked at once.
   *
   * Role `operator`; `X-Merchant-Id` plays no part. Fails with `InvalidRequest`.
   */
  operatorQuery("Migration.Status", {
    payload: Schema.Struct({ merchantIds: Schema.optionalKey(MerchantIds), ...PageRequest }),
    success: Schema.Struct({
      /** The newest migration that this server has: a database must have it to be served. */
      needed: Schema.Int,
      merchants: Schema.Array(
        Schema.Struct({
          merchantId: MerchantId,
          /** The newest one the database has had; 0 for none. */
          version: Schema.Int,
          /** Whether this server can serve it. */
          servable: Schema.Boolean,
          applied: Schema.Array(
            Schema.Struct({ ...Migration.fields, appliedAt: Timestamp, durationMillis: Schema.Int })
          ),
          pending: Schema.Array(Migration),
          fault: Schema.optionalKey(MigrationFault)
        })
      ),
      ...PageInfo
    }),
    errors: []
  })
) {}
