import { ChargebackApply, ChargebackResolve, RefundApply } from "@credit/domain/Command"
import { LedgerEntry } from "@credit/domain/LedgerEntry"
import { Lot } from "@credit/domain/Lot"
import { ChargebackNotOpen, PurchaseAlreadyReversed, PurchaseNotFound } from "@credit/domain/Refusal"
import { Reversal } from "@credit/domain/Reversal"
import { UserBalance } from "@credit/domain/UserBalance"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { command } from "./define.ts"

const answer = { reversal: Reversal, ledgerEntries: Schema.Array(LedgerEntry), userBalance: UserBalance }

export class Reversals extends RpcGroup.make(
  /**
   * Takes back the credits of a purchase that the merchant refunds: what it gave less what already expired, first from the
   * purchase's own lot, then from the user's other active lots in order, the rest as debt (rule 10). Credits that open
   * operations hold are taken as well. `ledgerEntries` is empty when all of it had expired.
   *
   * Role `admin`. A purchase is refunded once, for ever: again, also under another key, is refused. No payment is made by
   * this: the merchant's payment provider does that.
   *
   * Fails with `PurchaseNotFound`, `PurchaseAlreadyReversed`, and `InvalidRequest` (a debt beyond 2^53 − 1).
   */
  command("Refund.Apply", {
    role: "admin",
    payload: RefundApply,
    success: answer,
    errors: [PurchaseNotFound, PurchaseAlreadyReversed]
  }),
  /**
   * Takes back the credits of a purchase whose payer had the bank take the money back: as `Refund.Apply` does, but the
   * dispute is open until `Chargeback.Resolve`.
   *
   * Role `admin`. While a reversal stands the purchase is not reversed again. After a chargeback that was won it may be
   * reversed once more, by a refund or a chargeback, and no more; then what the won one gave back is taken.
   *
   * Fails with `PurchaseNotFound`, `PurchaseAlreadyReversed`, and `InvalidRequest` (a debt beyond 2^53 − 1).
   */
  command("Chargeback.Apply", {
    role: "admin",
    payload: ChargebackApply,
    success: answer,
    errors: [PurchaseNotFound, PurchaseAlreadyReversed]
  }),
  /**
   * Ends an open chargeback. `won`: exactly what was clawed back is given back, once, as a lot with the reason
   * `reinstatement`; debt is repaid out of it first. It lasts as long as the reversed lot had left at the chargeback, and 24
   * hours at least. No `lot` where nothing had been taken. `lost`: what was taken stays taken.
   *
   * Role `admin`. An outcome is final.
   *
   * Fails with `PurchaseNotFound`, `ChargebackNotOpen` (it says where the purchase stands), and `InvalidRequest` (a balance
   * beyond 2^53 − 1).
   */
  command("Chargeback.Resolve", {
    role: "admin",
    payload: ChargebackResolve,
    success: { ...answer, lot: Schema.optionalKey(Lot) },
    errors: [PurchaseNotFound, ChargebackNotOpen]
  })
) {}
