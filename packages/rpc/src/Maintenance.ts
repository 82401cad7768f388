import { ServiceStatus } from "@credit/domain/Merchant"
import { MaintenanceEnter, MaintenanceExit } from "@credit/domain/ServiceCommands"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { command } from "./define.ts"

export class Maintenance extends RpcGroup.make(
  /**
   * Takes a merchant into maintenance: its commands are refused with `MaintenanceMode` and stored nowhere, so that the same
   * keys work afterwards; queries go on. Once this has answered no command commits any more until `Maintenance.Exit`.
   *
   * Role `operator`. It waits for the commands under way. `until` is told to callers as their retry hint; maintenance does
   * not end by itself. Entered again it changes reason and end. Answers with the status.
   *
   * Fails with `InvalidRequest` (an `until` that is not ahead, or more than a year).
   */
  command("Maintenance.Enter", {
    role: "operator",
    payload: MaintenanceEnter,
    success: { serviceStatus: ServiceStatus },
    errors: []
  }),
  /**
   * Lets a merchant take commands again. One that is not in maintenance stays ready.
   *
   * Role `operator`.
   */
  command("Maintenance.Exit", {
    role: "operator",
    payload: MaintenanceExit,
    success: { serviceStatus: ServiceStatus },
    errors: []
  })
) {}
