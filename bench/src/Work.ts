import { makeHttpTransport } from "@credit/client/HttpTransport"
import { writeCall } from "@credit/client/Wire"
import { makeUuidV7 } from "@credit/domain/Uuid"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Job } from "./Job.ts"

/** Does one piece of work; fails if anything but success comes back. */
export type Work = Effect.Effect<void, unknown>

const newUuid = makeUuidV7()
const newId = () => newUuid(Date.now())

const TYPE = "llm_tokens"
const ESTIMATE = "4"
const USED = "3.2"
const TIMEOUT_MILLIS = 10_000

const userOf = (job: Job, prefix: string) =>
  job.oneUser ? "one" : `${prefix}-${Math.floor(Math.random() * job.users)}`

/** What callers of a job do. Each caller asks for its own; those over HTTP share connections, as in an application. */
export const makeWork = (job: Job): Effect.Effect<Effect.Effect<Work, unknown, Scope.Scope>, unknown, Scope.Scope> =>
  job.kind === "floor" ? Effect.succeed(floorWork(job)) : Effect.map(httpWork(job), Effect.succeed)

/**
 * The client library's transport without what is above it: the codecs and retries of callers would be measured with the
 * service, on the same cores, and a retry would hide a failure.
 */
const httpWork = Effect.fnUntraced(function* (job: Job) {
  const transport = yield* Effect.acquireRelease(
    Effect.sync(() =>
      makeHttpTransport({
        baseUrl: job.url,
        token: job.token,
        connections: 256,
        coalesce: job.coalesce ? {} : undefined
      })
    ),
    (it) => Effect.promise(() => it.close())
  )
  const call = Effect.fnUntraced(function* (tag: string, payload: unknown, command: boolean) {
    const headers = command ? [["idempotency-key", newId()] as const] : []
    const exit = yield* transport.send(writeCall({ tag, payload, headers, parent: undefined }), TIMEOUT_MILLIS)
    if (exit._tag === "Success") return exit.value
    return yield* Effect.fail(new Error(`${tag}: ${JSON.stringify(exit.cause)}`))
  })
  const works: Record<Exclude<Job["kind"], "floor">, () => Work> = {
    pairs: () => pair(call, userOf(job, "u")),
    reads: () => Effect.asVoid(call("GetUserBalance", { userId: userOf(job, "u") }, false)),
    purchases: () => Effect.asVoid(call("Purchase.Settled", purchase(userOf(job, "b")), true)),
    echo: () => Effect.asVoid(call("Echo", { userId: userOf(job, "u") }, false))
  }
  return Effect.suspend(works[job.kind === "floor" ? "pairs" : job.kind])
})

type Call = (tag: string, payload: unknown, command: boolean) => Effect.Effect<unknown, unknown>

const pair = Effect.fnUntraced(function* (call: Call, userId: string) {
  const open = yield* call("Operation.Open", { userId, operationTypeCode: TYPE, estimatedAmount: ESTIMATE }, true)
  if (!Predicate.hasProperty(open, "operation") || !Predicate.hasProperty(open.operation, "operationId")) {
    return yield* Effect.fail(new Error("Operation.Open answered no operation"))
  }
  const { operationId } = open.operation
  const completedAt = new Date().toISOString()
  yield* call("Operation.RecordAndClose", { operationId, resourceAmount: USED, completedAt }, true)
})

const purchase = (userId: string) => ({
  userId,
  productCode: "pro",
  settlementData: {
    externalRef: `bench-${newId()}`,
    orderPlacedAt: "2026-01-15T10:00:00Z",
    settledAt: "2026-01-15T10:00:05Z",
    pricingSnapshot: { country: "US", currency: "USD", amount: "79.00" }
  }
})

/** A connection per caller, and one statement per command: the fewest round trips and commits a command can have by itself. */
const floorWork = Effect.fnUntraced(function* (job: Job) {
  const connection = yield* PgConnection.make({ url: Redacted.make(job.databaseUrl), applicationName: "credit-bench" })
  // As the ledger's triggers do: the plan a session keeps must go by key, whatever the tables were like at its first call.
  yield* connection.query("SET enable_seqscan = off")
  return Effect.gen(function* () {
    const operationId = newId()
    yield* connection.query("SELECT bench.open($1::uuid, $2, $3, $4::numeric, $5) AS response", [
      ...[operationId, userOf(job, "u"), TYPE, ESTIMATE, newId()]
    ])
    yield* connection.query("SELECT bench.close($1::uuid, $2::numeric, $3, $4::uuid) AS response", [
      ...[operationId, USED, newId(), newId()]
    ])
  })
})
