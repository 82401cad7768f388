import { type AccountState, emptyAccount, instantOf } from "@credit/domain/Account"
import type { LotState } from "@credit/domain/Lot"
import type { ConsumptionOrder } from "@credit/domain/Merchant"
import type { OperationState } from "@credit/domain/Operation"
import * as Effect from "effect/Effect"
import type { MerchantDatabase } from "../merchants/MerchantDatabase.ts"
import { SharedReads } from "../merchants/SharedReads.ts"
import { ACCOUNT_COLUMNS, jsonRows, LOT_COLUMNS, OPERATION_COLUMNS } from "./rows.ts"

/** A user's account as stored, at the instant of the reading, and the merchant's order of consumption. */
export interface Standing {
  readonly account: AccountState
  readonly now: number
  readonly order: ConsumptionOrder
}

/** What is needed to tell the standing of users ($1): one snapshot, three lookups by key for each. */
const STANDINGS = `
SELECT json_build_object(
  'now', app.epoch_milliseconds(app.now(s.clock_offset_hours)),
  'order', s.consumption_order,
  'accounts', ${jsonRows(`SELECT ${ACCOUNT_COLUMNS} FROM public.accounts AS a WHERE a.user_id = ANY ($1::text[])`)},
  'lots', ${jsonRows(`SELECT ${LOT_COLUMNS} FROM public.lots AS l WHERE l.user_id = ANY ($1::text[]) AND l.active`)},
  'operations', ${jsonRows(`
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o WHERE o.user_id = ANY ($1::text[]) AND o.status = 'open'`)}
)::text AS json
FROM public.merchant_settings AS s`

interface Loaded {
  readonly now: number
  readonly order: ConsumptionOrder
  readonly accounts: ReadonlyArray<Omit<AccountState, "lots" | "operations">>
  readonly lots: ReadonlyArray<LotState>
  readonly operations: ReadonlyArray<OperationState>
}

const readStandings = (database: MerchantDatabase) => (users: ReadonlyArray<string>) =>
  Effect.map(database.json<Loaded>(STANDINGS, [users]), ({ accounts, lots, now, operations, order }) => {
    const stored = new Map(accounts.map((account) => [account.userId, account]))
    const lotsOf = Map.groupBy(lots, (lot) => lot.userId)
    const operationsOf = Map.groupBy(operations, (operation) => operation.userId)
    return (userId: string): Standing => {
      const account: AccountState = {
        ...emptyAccount(userId),
        ...stored.get(userId),
        lots: lotsOf.get(userId) ?? [],
        operations: operationsOf.get(userId) ?? []
      }
      return { account, now: instantOf(account, now), order }
    }
  })

const shared = new WeakMap<MerchantDatabase, SharedReads<Standing>>()

/** A user's standing now. Those that are asked for at the same time are read together. */
export const sharedStanding = (database: MerchantDatabase, userId: string) => {
  let reads = shared.get(database)
  if (reads === undefined) {
    reads = new SharedReads(readStandings(database))
    shared.set(database, reads)
  }
  return reads.get(userId)
}
