import type { LotState } from "./Lot.ts"
import type { OperationState } from "./Operation.ts"

/**
 * One user's standing in one merchant's database, with what the rules need to move it.
 *
 * Always: `balance` = Σ `remaining` of `lots` − `debt`; `held` = Σ `held` of `operations`; `debt` = 0 or
 * `balance` = −`debt`.
 */
export interface AccountState {
  readonly userId: string
  readonly balance: number
  readonly held: number
  readonly debt: number
  /** The number of entries: the newest one's `seq`. */
  readonly seq: number
  /** No instant of the account is earlier than this one, whatever the clock says (rule 8). */
  readonly lastAt: number
  /** The newest entry's hash, in hex; 64 zeros before the first. */
  readonly hash: string
  /** Lots with credits left, in no particular order. */
  readonly lots: ReadonlyArray<LotState>
  /** Operations that are open, among them such as have passed their expiry since. */
  readonly operations: ReadonlyArray<OperationState>
}

/** The hash that the first entry of an account follows. */
export const GENESIS_HASH = "0".repeat(64)

/** The standing of a user who has none yet. */
export const emptyAccount = (userId: string): AccountState => ({
  userId,
  balance: 0,
  held: 0,
  debt: 0,
  seq: 0,
  lastAt: 0,
  hash: GENESIS_HASH,
  lots: [],
  operations: []
})

/** What a new operation may claim. */
export const available = (account: AccountState): number => account.balance - account.held

/** The instant at which a command happens to an account: now, but never before what happened already (rule 8). */
export const instantOf = (account: AccountState, now: number): number => Math.max(now, account.lastAt)
