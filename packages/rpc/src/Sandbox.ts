import { SandboxAdvanceClock } from "@credit/domain/Command"
import { NotASandbox } from "@credit/domain/Refusal"
import { Timestamp } from "@credit/domain/Timestamp"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { command } from "./define.ts"

export class Sandbox extends RpcGroup.make(
  /**
   * Moves the clock of a merchant that was onboarded as a sandbox forward by whole hours, for all its users. It never goes
   * back.
   *
   * Role `admin`. Fails with `NotASandbox` and `InvalidRequest` (more than 1,000,000 hours ahead in all).
   */
  command("Sandbox.AdvanceClock", {
    role: "admin",
    payload: SandboxAdvanceClock,
    success: { now: Timestamp },
    errors: [NotASandbox]
  })
) {}
