import { methodPath } from "@credit/client/Contract"
import { CreditClient } from "@credit/client/CreditClient"
import { UserId } from "@credit/domain/Ids"
import { InsufficientBalance, IntentConflict, MaintenanceMode, RequestInProgress } from "@credit/domain/Refusal"
import { Api, Kind, Unauthorized } from "@credit/rpc"
import { assert, describe, it } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { FakeService, failure, success } from "./support/FakeService.ts"
import { scenario, TOKEN } from "./support/run.ts"
import { meta, opened, operation, userBalance } from "./support/Samples.ts"

const userId = UserId.make("user-1")
const open = { userId, operationTypeCode: "llm_tokens", estimatedAmount: BigDecimal.fromStringUnsafe("1.50") }
const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("A call", () => {
  it("takes and gives rich values, and travels as the contract writes them", async () => {
    const { result, service } = await scenario(
      () => success({ operation: { ...operation, estimatedAmount: "1.5" }, meta }),
      (client) => client.operation.open(open)
    )
    const [call] = service.calls
    assert.strictEqual(call?.tag, "Operation.Open")
    assert.deepStrictEqual(call?.payload, { userId: "user-1", operationTypeCode: "llm_tokens", estimatedAmount: "1.5" })
    assert.isTrue(BigDecimal.equals(result.operation.capturedRate, BigDecimal.fromStringUnsafe("0.57")))
    assert.isTrue(DateTime.isUtc(result.operation.openedAt))
    assert.deepStrictEqual(result.meta, { transactionId: result.meta.transactionId, replayed: false })
  })

  it("carries the token in the HTTP request and nowhere else", async () => {
    for (const token of [TOKEN, Redacted.make(TOKEN)]) {
      const { service } = await scenario(
        () => success(opened),
        (client) => client.operation.open(open),
        { token }
      )
      assert.deepStrictEqual(service.authorizations, [`Bearer ${TOKEN}`])
      assert.notInclude(JSON.stringify(service.calls), TOKEN)
    }
  })

  it("of a command carries a new UUIDv7 as its key; of a query, none", async () => {
    const { service } = await scenario(
      ({ tag }) => success(tag === "Operation.Open" ? opened : userBalance),
      (client) =>
        Effect.all([client.operation.open(open), client.operation.open(open), client.getUserBalance({ userId })])
    )
    const keys = service.callsOf("Operation.Open").map((call) => call.headers["idempotency-key"] ?? "")
    assert.strictEqual(new Set(keys).size, 2)
    for (const key of keys) assert.match(key, uuidV7)
    assert.deepStrictEqual(service.callsOf("GetUserBalance")[0]?.headers, {})
  })

  it("carries what the caller says: key, dry run, merchant", async () => {
    const { service } = await scenario(
      () => success(opened),
      (client) =>
        Effect.all([
          client.operation.open(open, { idempotencyKey: "order-17", dryRun: true, merchantId: "demo" }),
          client.operation.open(open, { idempotencyKey: "order-18", dryRun: false })
        ]),
      { merchantId: "acme" }
    )
    assert.deepStrictEqual(
      service.calls.map((call) => call.headers),
      [
        { "idempotency-key": "order-17", "dry-run": "true", "x-merchant-id": "demo" },
        { "idempotency-key": "order-18", "x-merchant-id": "acme" }
      ]
    )
  })

  it("with a payload that cannot be is refused before it is sent", async () => {
    const { result, service } = await scenario(
      () => success(opened),
      (client) =>
        Effect.flip(client.operation.open({ ...open, estimatedAmount: BigDecimal.fromStringUnsafe("0.1234567") }))
    )
    assert.strictEqual(result._tag, "InvalidRequest")
    assert.strictEqual(result._tag === "InvalidRequest" ? result.field : "", "estimatedAmount")
    assert.lengthOf(service.calls, 0)
  })

  it("reuses its connections", async () => {
    const { service } = await scenario(
      () => success(userBalance),
      (client) => Effect.forEach(Array.from({ length: 50 }), () => client.getUserBalance({ userId }))
    )
    // Two, taken in turns: a connection is fit for use again a turn of the event loop after its answer.
    assert.isAtMost(service.connections, 2)
  })

  it("opens as many connections as it may, and queues what is more", async () => {
    const { service } = await scenario(
      () => success(userBalance),
      (client) =>
        Effect.forEach(Array.from({ length: 200 }), () => client.getUserBalance({ userId }), {
          concurrency: "unbounded"
        }),
      { connections: 8 }
    )
    assert.isAtMost(service.connections, 8)
    assert.lengthOf(service.calls, 200)
  })

  it("that is interrupted ends its HTTP request", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<void>()
    const { service } = await scenario(
      () => {
        resolve()
        return { do: "hang" }
      },
      (client, service) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(client.getUserBalance({ userId }))
          yield* Effect.promise(() => arrived)
          yield* Fiber.interrupt(fiber)
          yield* Effect.promise(() => service.idle())
        })
    )
    assert.strictEqual(service.abandoned, 1)
  })
})

describe("A typed error", () => {
  it("arrives as the contract's class with its fields, after one attempt", async () => {
    const { result, service } = await scenario(
      () => failure({ _tag: "InsufficientBalance", available: 3, required: 5, meta }),
      (client) => Effect.flip(client.operation.open(open))
    )
    assert.instanceOf(result, InsufficientBalance)
    assert.strictEqual(result.message, "3 credits available, 5 required")
    assert.lengthOf(service.calls, 1)
  })

  it("of access arrives alike", async () => {
    const { result } = await scenario(
      () => failure({ _tag: "Unauthorized" }),
      (client) => Effect.flip(client.getUserBalance({ userId }))
    )
    assert.instanceOf(result, Unauthorized)
  })

  it("that names a conflict is not sent again", async () => {
    const { result, service } = await scenario(
      () => failure({ _tag: "IntentConflict", fields: ["userId"] }),
      (client) => Effect.flip(client.operation.open(open))
    )
    assert.instanceOf(result, IntentConflict)
    assert.lengthOf(service.calls, 1)
  })

  it("of maintenance ends the call, unless the caller wants to wait for its end", async () => {
    const react = ({ attempt }: { attempt: number }) =>
      attempt < 3 ? failure({ _tag: "MaintenanceMode", reason: "upgrade", retryAfterSeconds: 0 }) : success(opened)
    const refused = await scenario(react, (client) => Effect.flip(client.operation.open(open)))
    assert.instanceOf(refused.result, MaintenanceMode)
    assert.lengthOf(refused.service.calls, 1)
    const patient = await scenario(react, (client) => client.operation.open(open), {
      retry: { firstDelay: 1, maintenance: true }
    })
    assert.lengthOf(patient.service.calls, 3)
  })

  it("that passes is the outcome when it does not pass in time, also if the last attempt gets no answer", async () => {
    const { result, service } = await scenario(
      ({ attempt }) =>
        attempt < 3 ? failure({ _tag: "RequestInProgress", retryAfterSeconds: 0, meta }) : { do: "hang" },
      (client) => Effect.flip(client.operation.open(open)),
      { retry: { total: 200, firstDelay: 1 } }
    )
    assert.instanceOf(result, RequestInProgress)
    assert.isAbove(service.calls.length, 1)
    assert.lengthOf(service.keysOf("Operation.Open"), 1)
  })
})

describe("A client", () => {
  it("has a method for every RPC of the contract, and options of its kind", async () => {
    const { service } = await scenario(
      () => ({ do: "http", status: 418 }),
      (client) =>
        Effect.forEach(Api.requests.values(), (rpc) => {
          const [first = "", second] = methodPath(rpc._tag)
          const methods: Record<string, unknown> = { ...client }
          const noun = Object(methods[first])
          assert.isFunction(second === undefined ? methods[first] : noun[second], rpc._tag)
          assert.include(["command", "query"], Context.getUnsafe(rpc.annotations, Kind))
          return Effect.void
        })
    )
    assert.lengthOf(service.calls, 0)
  })

  it("is made from the environment", async () => {
    const service = await FakeService.start(() => success(userBalance))
    const env = { CREDIT_SERVICE_URL: service.url, CREDIT_SERVICE_JWT: TOKEN, DEFAULT_MERCHANT_ID: "acme" }
    await CreditClient.use((client) => client.getUserBalance({ userId })).pipe(
      Effect.provide(CreditClient.layerConfig()),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
      Effect.runPromise
    )
    await service.stop()
    assert.deepStrictEqual(service.authorizations, [`Bearer ${TOKEN}`])
    assert.deepStrictEqual(service.calls[0]?.headers, { "x-merchant-id": "acme" })
  })

  it("says which setting of the environment is missing", async () => {
    const error = await CreditClient.pipe(
      Effect.provide(CreditClient.layerConfig()),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
      Effect.flip,
      Effect.runPromise
    )
    assert.include(error.message, "CREDIT_SERVICE_JWT")
  })

  it("reaches a service behind a path, and shows no credentials of its URL", async () => {
    const service = await FakeService.start(() => ({ do: "http", status: 404 }))
    const { port, url } = service
    const baseUrl = `http://name:password@127.0.0.1:${port}/credit/`
    const error = await CreditClient.use((client) => Effect.flip(client.getUserBalance({ userId }))).pipe(
      Effect.provide(CreditClient.layer({ baseUrl, token: TOKEN })),
      Effect.runPromise
    )
    await service.stop()
    assert.strictEqual(service.paths[0], "/credit/rpc")
    assert.strictEqual(error.message, `GetUserBalance: ${url} answered HTTP 404; is the base URL right?`)
  })
})
