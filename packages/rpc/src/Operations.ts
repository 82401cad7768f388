import { OperationCancel, OperationExtend, OperationOpen, OperationRecordAndClose } from "@credit/domain/Command"
import { OperationId, UserId } from "@credit/domain/Ids"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Operation } from "@credit/domain/Operation"
import {
  InsufficientBalance,
  OperationClosed,
  OperationExpired,
  OperationNotFound,
  OperationUnavailable
} from "@credit/domain/Refusal"
import { UserBalance } from "@credit/domain/UserBalance"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { command, query } from "./define.ts"

export class Operations extends RpcGroup.make(
  /**
   * Opens a piece of metered work and captures the rate in force.
   *
   * Role `app`. With `estimatedAmount` it holds that estimate's cost, which must be available; such operations run in
   * parallel up to the merchant's `maxOpenOperations`. Without one it holds nothing, needs `available > 0`, and a user has
   * at most one such operation open. The two kinds do not exclude each other.
   *
   * Fails with `InsufficientBalance`, `OperationUnavailable`, and `InvalidRequest` (a timeout beyond the merchant's
   * maximum; an estimate whose cost exceeds 2^53 − 1).
   */
  command("Operation.Open", {
    role: "app",
    payload: OperationOpen,
    success: { operation: Operation },
    errors: [InsufficientBalance, OperationUnavailable]
  }),
  /**
   * Records what the operation used, releases its hold and debits the cost: max(1, ⌈resourceAmount × capturedRate⌉).
   *
   * Role `app`. The work is done, so the cost is debited even beyond hold and balance; what no lot covers becomes debt.
   * Accepted until the merchant's `lateCloseHours` after the operation's expiry, then marked `late`. An operation is closed
   * once: again with the same amount and unit answers with the original result (`userBalance` as of now), with others it
   * fails with `IntentConflict`.
   *
   * Fails with `OperationNotFound`, `OperationExpired`, `OperationClosed` (it was cancelled), and `InvalidRequest` (unit
   * or workflow are not the operation's; `completedAt` more than 5 minutes ahead; a cost or debt beyond 2^53 − 1).
   */
  command("Operation.RecordAndClose", {
    role: "app",
    payload: OperationRecordAndClose,
    success: { operation: Operation, ledgerEntries: Schema.Array(LedgerEntry), userBalance: UserBalance },
    errors: [OperationNotFound, OperationExpired, OperationClosed]
  }),
  /**
   * Ends an open operation without charge and releases its hold.
   *
   * Role `app`. Fails with `OperationNotFound`, `OperationExpired`, `OperationClosed`.
   */
  command("Operation.Cancel", {
    role: "app",
    payload: OperationCancel,
    success: { operation: Operation },
    errors: [OperationNotFound, OperationExpired, OperationClosed]
  }),
  /**
   * Moves an open operation's expiry to `timeoutMinutes` from now.
   *
   * Role `app`. The new expiry must be later than the present one and within the merchant's maximum counted from
   * `openedAt`, else `InvalidRequest`. An expired operation stays expired.
   *
   * Fails with `OperationNotFound`, `OperationExpired`, `OperationClosed`, `InvalidRequest`.
   */
  command("Operation.Extend", {
    role: "app",
    payload: OperationExtend,
    success: { operation: Operation },
    errors: [OperationNotFound, OperationExpired, OperationClosed]
  }),
  /**
   * One operation as it stands now: one past its expiry shows as `expired`.
   *
   * Role `user` (own operations). Fails with `OperationNotFound`.
   */
  query("GetOperation", {
    role: "user",
    payload: Schema.Struct({ operationId: OperationId }),
    success: Operation,
    errors: [OperationNotFound]
  }),
  /**
   * The user's open operations, oldest first.
   *
   * Role `user` (own operations). An unknown user has none.
   */
  query("ListOpenOperations", {
    role: "user",
    payload: Schema.Struct({ userId: UserId }),
    success: Schema.Struct({ operations: Schema.Array(Operation) }),
    errors: []
  })
) {}
