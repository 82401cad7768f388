import { fingerprint, transactionId } from "@credit/domain/decide"
import type { MerchantId } from "@credit/domain/Ids"
import { makeUuidV7 } from "@credit/domain/Uuid"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import type { EncodedExit, Submission } from "./Submission.ts"
import { Worker } from "./Worker.ts"

/** Runs commands: one queue per merchant, batches that lock, load, decide and write. */
export class Engine extends Context.Service<
  Engine,
  {
    /** Runs one command to its end, also if the caller leaves. Never fails: refusals and faults are encoded exits. */
    submit(submission: Submission): Effect.Effect<EncodedExit>
  }
>()("@credit/server/commands/Engine") {
  static readonly layer = Layer.effect(
    Engine,
    Effect.gen(function* () {
      const databases = yield* MerchantDatabases
      const settings = yield* Settings
      const metrics = yield* Metrics
      const run = yield* FiberSet.makeRuntime<never, void, never>()
      const newId = makeUuidV7()
      const workers = new Map<MerchantId, Worker>()
      // Before the runtime above is closed: whatever was taken in is run to its end.
      yield* Effect.addFinalizer(() =>
        Effect.forEach(workers.values(), (worker) => worker.idle, { concurrency: "unbounded", discard: true })
      )

      const workerOf = (merchantId: MerchantId): Worker => {
        const present = workers.get(merchantId)
        if (present !== undefined) return present
        const worker = new Worker({
          database: databases.get(merchantId),
          newId,
          onCommitted: (batch) => metrics.batch({ merchantId, ...batch }),
          silence: Duration.sum(settings.statementTimeout, settings.lockTimeout),
          batchSize: settings.engineBatchSize,
          queueBound: settings.engineQueueBound,
          batchesInFlight: settings.engineBatchesInFlight,
          fork: (batch) => {
            run(batch)
          }
        })
        workers.set(merchantId, worker)
        metrics.queue(merchantId, () => worker.queueDepth)
        return worker
      }

      return Engine.of({
        submit: ({ caller, dryRun, intent, key }) => {
          const transaction = transactionId(caller.merchantId, intent.type, key)
          const sender = { role: caller.role, subject: caller.subject, tokenId: caller.tokenId }
          const command = {
            intent,
            key,
            dryRun,
            sender,
            transactionId: transaction,
            ...fingerprint(intent.payload, transaction)
          }
          return workerOf(caller.merchantId).submit(command)
        }
      })
    })
  )
}
