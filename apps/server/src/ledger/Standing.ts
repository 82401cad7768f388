import { type AccountState, emptyAccount, instantOf } from "@credit/domain/Account"
import { due } from "@credit/domain/decide"
import type { LotState } from "@credit/domain/Lot"
import type { ConsumptionOrder } from "@credit/domain/Merchant"
import type { OperationState } from "@credit/domain/Operation"
import { timestampText } from "@credit/domain/Timestamp"
import type { ServiceUnavailable } from "@credit/rpc/Errors"
import * as Effect from "effect/Effect"
import type { Read } from "../merchants/Snapshot.ts"
import { ACCOUNT_COLUMNS, jsonRows, LOT_COLUMNS, OPERATION_COLUMNS } from "./rows.ts"

/** A user's account as stored, at the instant of the reading, and the merchant's order of consumption. */
export interface Standing {
  readonly account: AccountState
  /** Never before what happened to the account last (rule 8). */
  readonly now: number
  readonly order: ConsumptionOrder
}

/** What is needed to tell the standing of users ($1): one snapshot, three lookups by key for each. */
export const STANDINGS = `
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

/** The standing of each of some users, by id; an unknown one has nothing. */
export const readStandings = (
  read: Read,
  users: ReadonlyArray<string>
): Effect.Effect<(userId: string) => Standing, ServiceUnavailable> =>
  Effect.map(read<Loaded>(STANDINGS, [users]), ({ accounts, lots, now, operations, order }) => {
    const stored = new Map(accounts.map((account) => [account.userId, account]))
    const lotsOf = Map.groupBy(lots, (lot) => lot.userId)
    const operationsOf = Map.groupBy(operations, (operation) => operation.userId)
    return (userId) => {
      const account: AccountState = {
        ...emptyAccount(userId),
        ...stored.get(userId),
        lots: lotsOf.get(userId) ?? [],
        operations: operationsOf.get(userId) ?? []
      }
      return { account, now: instantOf(account, now), order }
    }
  })

export const readStanding = (read: Read, userId: string): Effect.Effect<Standing, ServiceUnavailable> =>
  Effect.map(readStandings(read, [userId]), (standingOf) => standingOf(userId))

/** The wire form of the expiries that are true by `now` and not booked. */
export const dueExpiries = ({ account, now }: Pick<Standing, "account" | "now">) =>
  due(account, now).expiries.map(({ amount, effectiveAt, lot }) => ({
    lotId: lot.lotId,
    amount: -amount,
    effectiveAt: timestampText(effectiveAt)
  }))
