import { CreditAdjustmentApply, DebitAdjustmentApply } from "@credit/domain/Command"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Lot } from "@credit/domain/Lot"
import { UserBalance } from "@credit/domain/UserBalance"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { command } from "./define.ts"

export class Adjustments extends RpcGroup.make(
  /**
   * Gives a user credits to put something right: one lot with the reason `adjustment`, from now for `accessPeriodDays`
   * days of 24 hours. Debt is repaid out of it first (rule 3). A user without an account gets one.
   *
   * Role `admin`. The entry keeps `justification` as its note and `adminActor` as its actor.
   *
   * Fails with `InvalidRequest` (a balance beyond 2^53 − 1).
   */
  command("CreditAdjustment.Apply", {
    role: "admin",
    payload: CreditAdjustmentApply,
    success: { lot: Lot, userBalance: UserBalance },
    errors: []
  }),
  /**
   * Takes credits from a user to put something right: a debit with the reason `adjustment`, from the active lots in order
   * and one entry per lot touched. Like a close it is never refused for want of credits: it takes what open operations hold
   * as well, and what no lot covers becomes debt (rule 3). A user without an account gets one.
   *
   * Role `admin`. The entries keep `justification` as their note and `adminActor` as their actor.
   *
   * Fails with `InvalidRequest` (a debt beyond 2^53 − 1).
   */
  command("DebitAdjustment.Apply", {
    role: "admin",
    payload: DebitAdjustmentApply,
    success: { ledgerEntries: Schema.Array(LedgerEntry), userBalance: UserBalance },
    errors: []
  })
) {}
