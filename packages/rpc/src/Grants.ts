import { GrantApply } from "@credit/domain/Command"
import { Lot } from "@credit/domain/Lot"
import { GrantUnavailable } from "@credit/domain/Refusal"
import { UserBalance } from "@credit/domain/UserBalance"
import * as Predicate from "effect/Predicate"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { RoleForPayload } from "./Access.ts"
import { command } from "./define.ts"

const at = (value: unknown, field: string): unknown => (Predicate.hasProperty(value, field) ? value[field] : undefined)

export class Grants extends RpcGroup.make(
  /**
   * Gives a user credits without a purchase: one lot.
   *
   * `welcome` (role `app`) uses the active product with the policy `apply_on_signup`, once per user, for ever. `promo`
   * (role `admin`) uses an active grant product. `manual` (role `admin`) names credits and days itself.
   *
   * Fails with `GrantUnavailable`, `Forbidden`, and `InvalidRequest` (a balance beyond 2^53 − 1).
   */
  command("Grant.Apply", {
    role: "app",
    payload: GrantApply,
    success: { lot: Lot, userBalance: UserBalance },
    errors: [GrantUnavailable]
  }).annotate(RoleForPayload, (payload) => {
    const type = at(at(payload, "grant"), "type")
    return type === "promo" || type === "manual" ? "admin" : undefined
  })
) {}
