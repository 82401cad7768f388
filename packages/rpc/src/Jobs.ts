import { JobName, JobRun, JobsStatus } from "@credit/domain/Job"
import { MaintenanceMode } from "@credit/domain/Refusal"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { procedure, query } from "./define.ts"

export class Jobs extends RpcGroup.make(
  /**
   * Runs a job of a merchant's database now, whoever runs it on its schedule. At most once per key. Answers when it has ended,
   * well or not: `run` says how. One that takes longer than the request may wait goes on; `RequestInProgress` says so, and the
   * same key sent again asks how it went. If a run of the job is at work already, this one is `skipped`; if it was cut off, it is
   * `interrupted`, and running it again takes another key. Without `run` in a dry run, which runs nothing.
   *
   * Role `operator`, the merchant in `X-Merchant-Id`. Fails with `MaintenanceMode` for jobs that move credits
   * (`operation_cleanup`, `lot_expiry`), and `InvalidRequest`.
   */
  procedure("Job.Run", {
    payload: Schema.Struct({ name: JobName }),
    success: { name: JobName, run: Schema.optionalKey(JobRun) },
    errors: [MaintenanceMode]
  }),
  /**
   * How a merchant's jobs stand: who runs each and when, when it last did well, what failed since; and how many accounts do
   * not agree with their entries.
   *
   * Role `operator`.
   */
  query("Job.Status", {
    role: "operator",
    payload: Schema.Struct({}),
    success: JobsStatus,
    errors: []
  })
) {}
