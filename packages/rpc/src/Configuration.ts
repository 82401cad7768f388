import { MerchantSettings } from "@credit/domain/Merchant"
import { MerchantConfigure } from "@credit/domain/ServiceCommands"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { command } from "./define.ts"

export class Configuration extends RpcGroup.make(
  /**
   * Changes a merchant's settings: legal and tax data, receipt prefix, timeouts, limits, order of consumption. What is not
   * named stays, `null` takes away; an empty payload changes nothing. Answers with the settings as they are then.
   *
   * Role `admin`. They hold from the next command on. Receipts that were issued stay as they are, and a new prefix does not
   * interrupt their numbers. The regime `vat` needs a `taxRate`, `none` has none; the default timeout is within the maximum.
   *
   * Fails with `InvalidRequest` naming the field.
   */
  command("Merchant.Configure", {
    role: "admin",
    payload: MerchantConfigure,
    success: { settings: MerchantSettings },
    errors: []
  })
) {}
