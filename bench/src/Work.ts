import { makeHttpTransport } from "@credit/client/HttpTransport"
import { writeCall } from "@credit/client/Wire"
import { makeUuidV7 } from "@credit/domain/Uuid"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { now } from "./Instant.ts"
import type { Job } from "./Job.ts"

/**
 * Does one piece of work that was meant to begin at an instant; fails if anything but success comes back. Says how long each
 * of its commands took, the first from the instant meant.
 */
export type Work = (meant: number) => Effect.Effect<ReadonlyArray<number>, unknown>

const newUuid = makeUuidV7()
const newId = () => newUuid(Date.now())

const TYPE = "llm_tokens"
const ESTIMATE = "4"
const USED = "3.2"
const TIMEOUT_MILLIS = 10_000
/** Of entries; as many as every user has whose history is read. */
const PAGE = 10

const oneOf = (count: number) => Math.floor(Math.random() * count)

const userOf = (job: Job, prefix: string) => `${prefix}-${job.oneUser ? 0 : oneOf(job.users)}`

/** What callers of a job do. Each caller asks for its own; those over HTTP share connections, as in an application. */
export const makeWork = (job: Job): Effect.Effect<Effect.Effect<Work, unknown, Scope.Scope>, unknown, Scope.Scope> =>
  job.kind === "floor" ? Effect.succeed(floorWork(job)) : httpWork(job, job.kind)

type Call = (tag: string, payload: unknown, command: boolean) => Effect.Effect<unknown, unknown>

/**
 * The client library's transport without what is above it: the codecs and retries of callers would be measured with the
 * service, on the same cores, and a retry would hide a failure.
 */
const makeCall = Effect.fnUntraced(function* (job: Job, baseUrl: string, token: string) {
  const transport = yield* Effect.acquireRelease(
    Effect.sync(() => makeHttpTransport({ baseUrl, token, connections: 256, coalesce: job.coalesce ? {} : undefined })),
    (it) => Effect.promise(() => it.close())
  )
  const call: Call = Effect.fnUntraced(function* (tag, payload, command) {
    const headers = command ? [["idempotency-key", newId()] as const] : []
    const exit = yield* transport.send(writeCall({ tag, payload, headers, parent: undefined }), TIMEOUT_MILLIS)
    if (exit._tag === "Success") return exit.value
    return yield* Effect.fail(new Error(`${tag}: ${JSON.stringify(exit.cause)}`))
  })
  return call
})

const httpWork = Effect.fnUntraced(function* (job: Job, kind: Exclude<Job["kind"], "floor">) {
  const servers = yield* Effect.forEach(job.urls, (url) =>
    Effect.forEach(job.tokens, (token) => makeCall(job, url, token))
  )
  const works: Record<typeof kind, (call: Call, meant: number) => ReturnType<Work>> = {
    pairs: (call, meant) => pair(call, userOf(job, "u"), meant),
    balance: (call) => nothing(call("GetUserBalance", { userId: userOf(job, "u") }, false)),
    history: (call) => nothing(call("GetLedgerHistory", { userId: userOf(job, "u"), limit: PAGE }, false)),
    purchases: (call) => nothing(call("Purchase.Settled", purchase(userOf(job, "b")), true)),
    echo: (call) => nothing(call("Echo", { userId: userOf(job, "u") }, false))
  }
  let callers = 0
  return Effect.sync((): Work => {
    const server = servers[callers++ % servers.length] ?? []
    return (meant) => {
      const call = server[oneOf(server.length)]
      return call === undefined ? Effect.die("there is no merchant") : works[kind](call, meant)
    }
  })
})

const nothing = <E>(effect: Effect.Effect<unknown, E>): Effect.Effect<ReadonlyArray<number>, E> => Effect.as(effect, [])

const pair = Effect.fnUntraced(function* (call: Call, userId: string, meant: number) {
  const open = yield* call("Operation.Open", { userId, operationTypeCode: TYPE, estimatedAmount: ESTIMATE }, true)
  const opened = now()
  if (!Predicate.hasProperty(open, "operation") || !Predicate.hasProperty(open.operation, "operationId")) {
    return yield* Effect.fail(new Error("Operation.Open answered no operation"))
  }
  const { operationId } = open.operation
  const completedAt = new Date().toISOString()
  yield* call("Operation.RecordAndClose", { operationId, resourceAmount: USED, completedAt }, true)
  return [opened - meant, now() - opened]
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
  return Effect.fnUntraced(function* (meant: number) {
    const operationId = newId()
    yield* connection.query("SELECT bench.open($1::uuid, $2, $3, $4::numeric, $5) AS response", [
      ...[operationId, userOf(job, "u"), TYPE, ESTIMATE, newId()]
    ])
    const opened = now()
    yield* connection.query("SELECT bench.close($1::uuid, $2::numeric, $3, $4::uuid) AS response", [
      ...[operationId, USED, newId(), newId()]
    ])
    return [opened - meant, now() - opened]
  })
})
