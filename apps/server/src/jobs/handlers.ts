import { InvalidRequest } from "@credit/domain/Refusal"
import { Operator } from "@credit/rpc/Access"
import { Jobs } from "@credit/rpc/Jobs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { askedBy } from "../commands/askedBy.ts"
import { inProgress } from "../commands/Procedure.ts"
import { Settings } from "../config/Settings.ts"
import { queryHandlers } from "../http/EncodedHandlers.ts"
import type { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { jobsStatus } from "./queries.ts"
import { jobProcedure, runJob } from "./runJob.ts"

/** The answer must be there before the caller's own patience ends, which is the request's deadline. */
const MARGIN = Duration.millis(500)

/** A run that was asked for goes on when its caller has gone, and ends with the service. */
const runHandler = Jobs.toLayerHandler(
  "Job.Run",
  Effect.gen(function* () {
    const context = yield* Effect.context<MerchantDatabases | Settings>()
    const { requestDeadline } = yield* Settings
    const scope = yield* Effect.scope
    return (payload, { headers }) =>
      Effect.gen(function* () {
        const { merchantId } = yield* Operator
        if (merchantId === undefined) {
          return yield* new InvalidRequest({
            field: "X-Merchant-Id",
            message: "An operator names the merchant in this header"
          })
        }
        const asked = yield* askedBy(headers)
        const running = yield* Effect.forkIn(Effect.provideContext(runJob(payload, asked, merchantId), context), scope)
        return yield* Effect.timeoutOrElse(Fiber.join(running), {
          duration: Duration.max(Duration.subtract(requestDeadline, MARGIN), Duration.millis(1)),
          orElse: () => Effect.fail(inProgress(jobProcedure(payload, asked, merchantId), 1))
        })
      })
  })
)

const statusHandler = queryHandlers(Jobs, {
  "Job.Status": (database, _, caller) => jobsStatus(database, caller.merchantId)
})

export const jobHandlers = Layer.mergeAll(runHandler, statusHandler)
