import { CreditClient, type CreditClientShape } from "@credit/client/CreditClient"
import { CreditClientError } from "@credit/client/CreditClientError"
import { OperationNotClosed } from "@credit/client/OperationNotClosed"
import { UserId } from "@credit/domain/Ids"
import { InsufficientBalance, OperationExpired } from "@credit/domain/Refusal"
import { assert, describe, it } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { FakeService, failure, type Reaction, type ReceivedCall, success } from "./support/FakeService.ts"
import { optionsFor, quick, scenario } from "./support/run.ts"
import { cancelled, closed, OPERATION_ID, opened } from "./support/Samples.ts"

const open = { userId: UserId.make("user-1"), operationTypeCode: "llm_tokens" }
const used = { value: "an answer", resourceAmount: BigDecimal.fromStringUnsafe("1.5") }

const healthy = ({ tag }: ReceivedCall): Reaction =>
  success(tag === "Operation.Open" ? opened : tag === "Operation.Cancel" ? cancelled : closed)

const tags = (service: FakeService) => service.calls.map((call) => call.tag)

/** A run of metered work that somebody can interrupt, observed from outside. */
const observed = (
  react: (call: ReceivedCall) => Reaction,
  act: (client: CreditClientShape) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function* () {
    const service = yield* Effect.acquireRelease(
      Effect.promise(() => FakeService.start(react)),
      (service) => Effect.promise(() => service.stop())
    )
    const client = Context.get(yield* Layer.build(CreditClient.layer(optionsFor(service))), CreditClient)
    return { service, fiber: yield* Effect.forkChild(act(client)) }
  })

describe("Work that succeeds", () => {
  it("is opened, done and charged, in this order, under one key", async () => {
    const order: Array<string> = []
    const { result, service } = await scenario(
      (call) => {
        order.push(call.tag)
        return healthy(call)
      },
      (client) =>
        client.withOperation({ ...open, estimatedAmount: BigDecimal.fromStringUnsafe("2") }, (operation) =>
          Effect.sync(() => {
            assert.strictEqual(operation.operationId, OPERATION_ID)
            order.push("work")
            return used
          })
        )
    )
    assert.deepStrictEqual(order, ["Operation.Open", "work", "Operation.RecordAndClose"])
    assert.strictEqual(result.value, "an answer")
    assert.strictEqual(result.operation.finalCost, 1)
    assert.strictEqual(result.userBalance.balance, 99)
    assert.lengthOf(new Set(service.calls.map((call) => call.headers["idempotency-key"])), 1)
  })

  it("is charged with what it says it used, and when it ended", async () => {
    const completedAt = DateTime.makeUnsafe("2026-01-01T00:00:01.000Z")
    const { service } = await scenario(healthy, (client) =>
      client.withOperation(open, () => Effect.succeed({ ...used, resourceUnit: "K_TOKENS", completedAt }))
    )
    assert.deepStrictEqual(service.callsOf("Operation.RecordAndClose")[0]?.payload, {
      operationId: OPERATION_ID,
      resourceAmount: "1.5",
      resourceUnit: "K_TOKENS",
      completedAt: "2026-01-01T00:00:01.000Z"
    })
  })

  it("is charged once, with one time, however often the close has to be sent", async () => {
    const { service } = await scenario(
      (call) => (call.tag === "Operation.RecordAndClose" && call.attempt < 4 ? { do: "reset" } : healthy(call)),
      (client) => client.withOperation(open, () => Effect.succeed(used))
    )
    assert.lengthOf(service.callsOf("Operation.RecordAndClose"), 4)
    assert.lengthOf(service.keysOf("Operation.RecordAndClose"), 1)
    assert.lengthOf(new Set(service.callsOf("Operation.RecordAndClose").map((call) => call.payload.completedAt)), 1)
  })

  it("is charged under the caller's own key", async () => {
    const { service } = await scenario(healthy, (client) =>
      client.withOperation(open, () => Effect.succeed(used), { idempotencyKey: "job-5" })
    )
    for (const call of service.calls) assert.strictEqual(call.headers["idempotency-key"], "job-5")
  })

  it("is charged although the caller is interrupted while the close is on its way, and has to be sent again", () =>
    Effect.gen(function* () {
      const arrived = Promise.withResolvers<void>()
      const lose = Promise.withResolvers<void>()
      const { fiber, service } = yield* observed(
        (call) => {
          if (call.tag !== "Operation.RecordAndClose" || call.attempt > 1) return healthy(call)
          arrived.resolve()
          return { do: "wait", until: lose.promise }
        },
        (client) => client.withOperation(open, () => Effect.succeed(used))
      )
      yield* Effect.promise(() => arrived.promise)
      fiber.interruptUnsafe()
      lose.resolve()
      yield* Fiber.await(fiber)
      assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.RecordAndClose", "Operation.RecordAndClose"])
      assert.lengthOf(service.keysOf("Operation.RecordAndClose"), 1)
    }).pipe(Effect.scoped, Effect.runPromise))
})

describe("Work that does not succeed", () => {
  it("is not done at all when the operation cannot open", async () => {
    const { result, service } = await scenario(
      () => failure({ _tag: "InsufficientBalance", available: 0, required: 1 }),
      (client) => Effect.flip(client.withOperation(open, () => Effect.die("worked")))
    )
    assert.instanceOf(result, InsufficientBalance)
    assert.deepStrictEqual(tags(service), ["Operation.Open"])
  })

  const endings: Readonly<Record<string, Effect.Effect<typeof used, string>>> = {
    fails: Effect.fail("no answer"),
    dies: Effect.die("no answer"),
    throws: Effect.sync(() => {
      throw new Error("no answer")
    }),
    "is interrupted from within": Effect.interrupt
  }
  for (const [ending, work] of Object.entries(endings)) {
    it(`is cancelled when it ${ending}, and its own outcome is the caller's`, async () => {
      const { result, service } = await scenario(healthy, (client) =>
        Effect.exit(client.withOperation(open, () => work))
      )
      assert.isTrue(Exit.isFailure(result))
      assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.Cancel"])
      assert.notInclude(JSON.stringify(service.calls), "no answer")
    })
  }

  it("is cancelled when the work cannot even be begun", async () => {
    const { service } = await scenario(healthy, (client) =>
      Effect.exit(
        client.withOperation(open, () => {
          throw new Error("no work")
        })
      )
    )
    assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.Cancel"])
  })

  it("is cancelled however often the cancel has to be sent", async () => {
    const { result, service } = await scenario(
      (call) => (call.tag === "Operation.Cancel" && call.attempt < 4 ? { do: "reset" } : healthy(call)),
      (client) => Effect.flip(client.withOperation(open, () => Effect.fail("no answer")))
    )
    assert.strictEqual(result, "no answer")
    assert.lengthOf(service.callsOf("Operation.Cancel"), 4)
    assert.lengthOf(service.keysOf("Operation.Cancel"), 1)
  })

  it("stays the caller's outcome when the cancel is refused", async () => {
    const { result } = await scenario(
      (call) =>
        call.tag === "Operation.Cancel"
          ? failure({ _tag: "OperationExpired", expiresAt: "2026-01-01T01:00:00.000Z" })
          : healthy(call),
      (client) => Effect.flip(client.withOperation(open, () => Effect.fail("no answer")))
    )
    assert.strictEqual(result, "no answer")
  })

  it("is cancelled when the caller is interrupted, which waits until that is done", () =>
    Effect.gen(function* () {
      const working = yield* Deferred.make<void>()
      const { fiber, service } = yield* observed(
        (call) => (call.tag === "Operation.Cancel" && call.attempt < 3 ? { do: "reset" } : healthy(call)),
        (client) => client.withOperation(open, () => Effect.andThen(Deferred.succeed(working, undefined), Effect.never))
      )
      yield* Deferred.await(working)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.lengthOf(service.callsOf("Operation.Cancel"), 3)
      assert.strictEqual(service.callsOf("Operation.Cancel")[0]?.payload.reason, "interrupted")
    }).pipe(Effect.scoped, Effect.runPromise))

  it("leaves nothing open when the caller is interrupted while nobody knows whether it opened", () =>
    Effect.gen(function* () {
      const arrived = Promise.withResolvers<void>()
      const { fiber, service } = yield* observed(
        (call) => {
          if (call.tag !== "Operation.Open" || call.attempt > 1) return healthy(call)
          arrived.resolve()
          return { do: "hang" }
        },
        (client) => client.withOperation(open, () => Effect.die("worked"))
      )
      yield* Effect.promise(() => arrived.promise)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.Open", "Operation.Cancel"])
      assert.lengthOf(service.keysOf("Operation.Open"), 1)
    }).pipe(Effect.scoped, Effect.runPromise))
})

describe("A close that does not arrive", () => {
  const fate = async (reaction: Reaction) => {
    const { result, service } = await scenario(
      (call) => (call.tag === "Operation.RecordAndClose" ? reaction : healthy(call)),
      (client) => Effect.flip(client.withOperation(open, () => Effect.succeed(used))),
      { retry: { ...quick, total: 200 } }
    )
    assert.lengthOf(service.callsOf("Operation.Cancel"), 0, "cancelled although a close was sent")
    assert.instanceOf(result, OperationNotClosed)
    return { error: result instanceof OperationNotClosed ? result : undefined, service }
  }

  it("does not lose the work's value, nor what is needed to close later", async () => {
    const { error, service } = await fate({ do: "reset" })
    assert.strictEqual(error?.value, "an answer")
    assert.strictEqual(error?.operationId, OPERATION_ID)
    assert.strictEqual(error?.idempotencyKey, service.keysOf("Operation.RecordAndClose")[0])
    assert.instanceOf(error?.cause, CreditClientError)
    assert.include(error?.message, `Operation ${OPERATION_ID} is not closed: Operation.RecordAndClose: lost`)
  })

  it("because it is refused names the refusal", async () => {
    const { error } = await fate(failure({ _tag: "OperationExpired", expiresAt: "2026-01-01T01:00:00.000Z" }))
    assert.instanceOf(error?.cause, OperationExpired)
  })

  it("can be sent later as it was, and is the same command", async () => {
    const { service } = await scenario(
      (call) =>
        call.tag === "Operation.RecordAndClose" && call.attempt === 1 ? { do: "http", status: 500 } : healthy(call),
      (client) =>
        client
          .withOperation(open, () => Effect.succeed(used))
          .pipe(
            Effect.catchTag("OperationNotClosed", ({ close, idempotencyKey }) =>
              client.operation.recordAndClose(close, { idempotencyKey })
            )
          )
    )
    const [first, second] = service.callsOf("Operation.RecordAndClose")
    assert.deepStrictEqual(second?.payload, first?.payload)
    assert.deepStrictEqual(second?.headers, first?.headers)
  })
})
