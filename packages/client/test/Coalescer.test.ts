import { CreditClientError } from "@credit/client/CreditClientError"
import { makeCreditClient } from "@credit/client/PromiseClient"
import { UserId } from "@credit/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { FakeService, failure, type ReceivedCall, success } from "./support/FakeService.ts"
import { optionsFor, scenario } from "./support/run.ts"
import { userBalance } from "./support/Samples.ts"

const users = (count: number) => Array.from({ length: count }, (_, index) => UserId.make(`user-${index}`))

/** Longer than a test may take: whoever waits so long is found out. */
const NEVER = 3_600_000

const balanceOf = ({ payload }: ReceivedCall) => success({ ...userBalance, userId: payload.userId })

describe("Calls that wait at the same time", () => {
  it("share HTTP requests unless the client was told that they shall not", async () => {
    for (const [options, requests] of [
      [{}, 1],
      [{ coalesce: true }, 1],
      [{ coalesce: false }, 20]
    ] as const) {
      const effects = await scenario(
        balanceOf,
        (client) =>
          Effect.forEach(users(20), (userId) => client.getUserBalance({ userId }), { concurrency: "unbounded" }),
        options
      )
      assert.lengthOf(effects.service.authorizations, requests)
      const service = await FakeService.start(balanceOf)
      const client = makeCreditClient({ ...optionsFor(service), ...options })
      await Promise.all(users(20).map((userId) => client.getUserBalance({ userId })))
      await client.close()
      await service.stop()
      assert.lengthOf(service.authorizations, requests)
    }
  })

  it("share HTTP requests, and each gets its own answer", async () => {
    const { result, service } = await scenario(
      balanceOf,
      (client) =>
        Effect.forEach(users(200), (userId) => client.getUserBalance({ userId }), { concurrency: "unbounded" }),
      { coalesce: { maxCalls: 50 } }
    )
    assert.deepStrictEqual(
      result.map((balance) => balance.userId),
      users(200)
    )
    assert.lengthOf(service.calls, 200)
    assert.lengthOf(service.authorizations, 4)
  })

  it("travel with their own keys", async () => {
    const { service } = await scenario(
      () => failure({ _tag: "InsufficientBalance", available: 0, required: 1 }),
      (client) =>
        Effect.forEach(
          users(20),
          (userId) => Effect.flip(client.operation.open({ userId, operationTypeCode: "llm_tokens" })),
          { concurrency: "unbounded" }
        ),
      { coalesce: true }
    )
    assert.lengthOf(service.keysOf("Operation.Open"), 20)
    assert.lengthOf(service.authorizations, 1)
  })

  it("do not wait for the slowest of them", async () => {
    const release = Promise.withResolvers<void>()
    const { service } = await scenario(
      (call) =>
        call.payload.userId === "user-0"
          ? { do: "wait", until: release.promise, exit: { _tag: "Success", value: userBalance } }
          : balanceOf(call),
      (client) =>
        Effect.gen(function* () {
          const [slow = users(1)[0], ...quick] = users(10)
          if (slow === undefined) return
          const fiber = yield* Effect.forkChild(client.getUserBalance({ userId: slow }))
          yield* Effect.forEach(quick, (userId) => client.getUserBalance({ userId }), { concurrency: "unbounded" })
          release.resolve()
          yield* Fiber.join(fiber)
        }),
      { coalesce: true }
    )
    assert.lengthOf(service.authorizations, 1)
  })

  it("are sent again one by one when their request as a whole is refused", async () => {
    const { result, service } = await scenario(
      (call) =>
        call.payload.userId === "user-3" ? failure({ _tag: "Forbidden", requiredRole: "app" }) : balanceOf(call),
      (client) =>
        Effect.forEach(users(5), (userId) => Effect.result(client.getUserBalance({ userId })), {
          concurrency: "unbounded"
        }),
      { coalesce: true },
      { refuseSharedRequests: true }
    )
    assert.deepStrictEqual(
      result.map((outcome) => outcome._tag),
      ["Success", "Success", "Success", "Failure", "Success"]
    )
    assert.lengthOf(service.authorizations, 6)
  })

  it("are all sent again when their connection is lost, each with its key", async () => {
    const { service } = await scenario(
      ({ attempt, payload }) =>
        attempt === 1 && payload.userId === "user-0"
          ? { do: "reset" }
          : failure({ _tag: "InsufficientBalance", available: 0, required: 1 }),
      (client) =>
        Effect.forEach(
          users(5),
          (userId) => Effect.flip(client.operation.open({ userId, operationTypeCode: "llm_tokens" })),
          { concurrency: "unbounded" }
        ),
      { coalesce: true }
    )
    assert.lengthOf(service.keysOf("Operation.Open"), 5)
  })

  it("may be given up one by one; the last one ends the request", async () => {
    const { service } = await scenario(
      (call) => (call.payload.userId === "user-0" ? balanceOf(call) : { do: "hang" }),
      (client, service) =>
        Effect.gen(function* () {
          const fibers = yield* Effect.forEach(users(3), (userId) =>
            Effect.forkChild(client.getUserBalance({ userId }))
          )
          yield* Effect.promise(() => service.received(3))
          const [answered, second, third] = fibers
          if (answered === undefined || second === undefined || third === undefined) return
          yield* Fiber.join(answered)
          yield* Fiber.interrupt(second)
          assert.strictEqual(service.abandoned, 0)
          yield* Fiber.interrupt(third)
          yield* Effect.promise(() => service.idle())
        }),
      { coalesce: true }
    )
    assert.strictEqual(service.abandoned, 1)
  })

  it("that get no answer in time are given up without harm to their company", async () => {
    const { result } = await scenario(
      (call) => (call.payload.userId === "user-0" ? { do: "hang" } : balanceOf(call)),
      (client) =>
        Effect.forEach(users(5), (userId) => Effect.result(client.getUserBalance({ userId })), {
          concurrency: "unbounded"
        }),
      { coalesce: true, timeout: 100, retry: false }
    )
    const [first, ...others] = result
    assert.isTrue(first?._tag === "Failure" && first.failure instanceof CreditClientError)
    assert.isTrue(others.every((outcome) => outcome._tag === "Success"))
  })

  it("leave while others are still under way, however many requests those take", async () => {
    const release = Promise.withResolvers<void>()
    const { result } = await scenario(
      (call) =>
        call.payload.userId === "user-0"
          ? { do: "wait", until: release.promise, exit: { _tag: "Success", value: userBalance } }
          : balanceOf(call),
      (client, service) =>
        Effect.gen(function* () {
          const [slow, other] = users(2)
          if (slow === undefined || other === undefined) return undefined
          const fiber = yield* Effect.forkChild(client.getUserBalance({ userId: slow }))
          yield* Effect.promise(() => service.received(1))
          const balance = yield* client.getUserBalance({ userId: other })
          release.resolve()
          yield* Fiber.join(fiber)
          return balance
        }),
      { coalesce: { maxRequests: 1 } }
    )
    assert.strictEqual(result?.userId, "user-1")
  })

  it("leave as soon as one of the requests under way ends, before they have waited their time", async () => {
    const release = Promise.withResolvers<void>()
    const { result } = await scenario(
      (call) =>
        call.payload.userId === "user-0"
          ? { do: "wait", until: release.promise, exit: { _tag: "Success", value: userBalance } }
          : balanceOf(call),
      (client, service) =>
        Effect.gen(function* () {
          const [slow, other] = users(2)
          if (slow === undefined || other === undefined) return undefined
          const first = yield* Effect.forkChild(client.getUserBalance({ userId: slow }))
          yield* Effect.promise(() => service.received(1))
          const second = yield* Effect.forkChild(client.getUserBalance({ userId: other }), { startImmediately: true })
          release.resolve()
          yield* Fiber.join(first)
          return yield* Fiber.join(second)
        }),
      { coalesce: { maxRequests: 1, lingerMillis: NEVER } }
    )
    assert.strictEqual(result?.userId, "user-1")
  })

  it("travel alone when they are large", async () => {
    const { service } = await scenario(
      () => failure({ _tag: "OperationNotFound" }),
      (client) =>
        Effect.forEach(
          users(4),
          (userId, index) =>
            Effect.flip(
              client.operation.open(
                { userId, operationTypeCode: "llm_tokens" },
                { idempotencyKey: index === 0 ? "k".repeat(20_000) : `k${index}` }
              )
            ),
          { concurrency: "unbounded" }
        ),
      { coalesce: true }
    )
    assert.lengthOf(service.authorizations, 2)
  })
})

describe("A call that is alone", () => {
  it("waits for no company", async () => {
    const { service } = await scenario(
      balanceOf,
      (client) => Effect.forEach(users(3), (userId) => client.getUserBalance({ userId })),
      { coalesce: { lingerMillis: NEVER } }
    )
    assert.lengthOf(service.authorizations, 3)
  })
})
