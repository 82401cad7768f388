import { inspect } from "node:util"
import { CreditClientError } from "@credit/client/CreditClientError"
import { isCreditError } from "@credit/client/CreditError"
import { OperationNotClosed } from "@credit/client/OperationNotClosed"
import type { ClientOptions } from "@credit/client/Options"
import { type CreditPromiseClient, makeCreditClient } from "@credit/client/PromiseClient"
import { assert, describe, it } from "@effect/vitest"
import { FakeService, failure, type Reaction, type ReceivedCall, success } from "./support/FakeService.ts"
import { optionsFor, quick, TOKEN } from "./support/run.ts"
import { cancelled, closed, meta, OPERATION_ID, opened, operation, userBalance } from "./support/Samples.ts"

const open = { userId: "user-1", operationTypeCode: "llm_tokens", estimatedAmount: "1.50" }
const used = { value: "an answer", resourceAmount: "1.5" }

const healthy = ({ tag }: ReceivedCall): Reaction =>
  success(tag === "Operation.Open" ? opened : tag === "Operation.Cancel" ? cancelled : closed)

const scenario = async <A>(
  react: (call: ReceivedCall) => Reaction,
  act: (client: CreditPromiseClient, service: FakeService) => Promise<A>,
  options?: Partial<ClientOptions>
) => {
  const service = await FakeService.start(react)
  try {
    await using client = makeCreditClient({ ...optionsFor(service), ...options })
    return { result: await act(client, service), service }
  } finally {
    await service.stop()
  }
}

/** What a promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => error
  )

const tags = (service: FakeService) => service.calls.map((call) => call.tag)

describe("A promise", () => {
  it("takes and gives plain JSON: decimals and instants are strings, as the service writes them", async () => {
    const { result, service } = await scenario(
      () => success(opened),
      (client) => client.operation.open(open)
    )
    assert.deepStrictEqual(service.calls[0]?.payload, open)
    assert.deepStrictEqual(result, { operation, meta })
    const rate: string = result.operation.capturedRate
    assert.strictEqual(rate, "0.57")
  })

  it("keeps what a newer service adds to an answer", async () => {
    const { result } = await scenario(
      () => success({ ...userBalance, mood: "good" }),
      (client) => client.getUserBalance({ userId: "user-1" })
    )
    assert.propertyVal(result, "mood", "good")
  })

  it("overcomes trouble that passes, with one and the same key", async () => {
    const { service } = await scenario(
      ({ attempt }) => (attempt < 3 ? { do: "reset" } : success(opened)),
      (client) => client.operation.open(open)
    )
    assert.lengthOf(service.calls, 3)
    assert.lengthOf(service.keysOf("Operation.Open"), 1)
  })

  it("rejects with a plain Error that has the tag, the fields and the words of the contract", async () => {
    const { result } = await scenario(
      () => failure({ _tag: "InsufficientBalance", available: 3, required: 5, meta }),
      (client) => rejection(client.operation.open(open))
    )
    assert.instanceOf(result, Error)
    assert.isTrue(isCreditError(result))
    if (!isCreditError(result) || result._tag !== "InsufficientBalance") return assert.fail("not told apart")
    assert.strictEqual(result.required - result.available, 2)
    assert.deepStrictEqual(result.meta, meta)
    assert.strictEqual(result.message, "3 credits available, 5 required")
    assert.strictEqual(result.name, "InsufficientBalance")
  })

  it("rejects with instants as strings in errors, too", async () => {
    const expiresAt = "2026-01-01T01:00:00.000Z"
    const { result } = await scenario(
      () => failure({ _tag: "OperationExpired", expiresAt }),
      (client) => rejection(client.operation.cancel({ operationId: OPERATION_ID }))
    )
    assert.propertyVal(result, "expiresAt", expiresAt)
  })

  it("rejects with the tag of an error that only a newer service knows", async () => {
    const { result } = await scenario(
      () => failure({ _tag: "Unheard", detail: 7 }),
      (client) => rejection(client.operation.open(open))
    )
    assert.instanceOf(result, Error)
    assert.propertyVal(result, "_tag", "Unheard")
    assert.propertyVal(result, "detail", 7)
  })

  it("rejects with CreditClientError when the service cannot be asked, without the token", async () => {
    const { result } = await scenario(
      () => ({ do: "http", status: 404 }),
      (client) => rejection(client.operation.open(open))
    )
    assert.instanceOf(result, CreditClientError)
    assert.isTrue(isCreditError(result))
    assert.notInclude(inspect(result, { depth: 20, showHidden: true }), TOKEN)
  })

  it("rejects for an answer that is not what the contract says", async () => {
    const { result } = await scenario(
      () => success({ operation: { ...operation, held: "none" }, meta }),
      (client) => rejection(client.operation.open(open))
    )
    assert.propertyVal(result, "_tag", "CreditClientError")
    assert.include(String(result), "operation.held")
  })

  it("rejects for a payload that JSON cannot carry", async () => {
    const { result, service } = await scenario(
      () => success(opened),
      (client) => rejection(client.operation.open({ ...open, workflowId: Object(1n) }))
    )
    assert.instanceOf(result, TypeError)
    assert.lengthOf(service.calls, 0)
  })

  it("rejects with the signal's reason when it is aborted, before or meanwhile, and ends the HTTP request", async () => {
    const reason = new Error("the user left")
    const { service } = await scenario(
      () => ({ do: "hang" }),
      async (client, service) => {
        const before = client.operation.open(open, { signal: AbortSignal.abort(reason) })
        assert.strictEqual(await rejection(before), reason)
        assert.lengthOf(service.calls, 0)
        const controller = new AbortController()
        const meanwhile = rejection(client.operation.open(open, { signal: controller.signal }))
        await service.received(1)
        controller.abort(reason)
        assert.strictEqual(await meanwhile, reason)
        await service.idle()
      }
    )
    assert.strictEqual(service.abandoned, 1)
  })
})

describe("withOperation in promises", () => {
  it("opens, works and charges, in this order", async () => {
    const { result, service } = await scenario(healthy, (client) =>
      client.withOperation(open, async (operation) => {
        assert.strictEqual(operation.operationId, OPERATION_ID)
        return used
      })
    )
    assert.strictEqual(result.value, "an answer")
    assert.strictEqual(result.operation.finalCost, 1)
    assert.strictEqual(result.userBalance.balance, 99)
    assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.RecordAndClose"])
    const { completedAt, ...payload } = service.callsOf("Operation.RecordAndClose")[0]?.payload ?? {}
    assert.deepStrictEqual(payload, { operationId: OPERATION_ID, resourceAmount: "1.5" })
    assert.match(String(completedAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it("cancels when the work rejects or throws, and rejects with the work's own error", async () => {
    const works = [
      () => Promise.reject(new RangeError("no answer")),
      () => {
        throw new RangeError("no answer")
      }
    ]
    for (const work of works) {
      const { result, service } = await scenario(healthy, (client) => rejection(client.withOperation(open, work)))
      assert.instanceOf(result, RangeError)
      assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.Cancel"])
    }
  })

  it("cancels when its signal is aborted, tells the work, and then rejects with the reason", async () => {
    const reason = new Error("the user left")
    let told: AbortSignal | undefined
    const { result, service } = await scenario(healthy, (client) => {
      const controller = new AbortController()
      return rejection(
        client.withOperation(
          open,
          (_, signal) => {
            told = signal
            controller.abort(reason)
            return new Promise<typeof used>(() => {})
          },
          { signal: controller.signal }
        )
      )
    })
    assert.strictEqual(result, reason)
    assert.isTrue(told?.aborted)
    assert.deepStrictEqual(tags(service), ["Operation.Open", "Operation.Cancel"])
  })

  it("rejects with what is needed to close later when the close does not arrive", async () => {
    const { result, service } = await scenario(
      (call) => (call.tag === "Operation.RecordAndClose" ? { do: "reset" } : healthy(call)),
      (client) => rejection(client.withOperation(open, async () => used, { idempotencyKey: "job-5" })),
      { retry: { ...quick, total: 100 } }
    )
    assert.instanceOf(result, OperationNotClosed)
    assert.propertyVal(result, "value", "an answer")
    assert.propertyVal(result, "idempotencyKey", "job-5")
    assert.deepStrictEqual(Object(result).close, service.callsOf("Operation.RecordAndClose")[0]?.payload)
    assert.lengthOf(service.callsOf("Operation.Cancel"), 0)
  })
})

describe("Closing a client", () => {
  it("lets calls and runs under way come to their end, and takes no new ones", async () => {
    const release = Promise.withResolvers<void>()
    const { service } = await scenario(
      (call) =>
        call.tag === "GetUserBalance"
          ? { do: "wait", until: release.promise, exit: { _tag: "Success", value: userBalance } }
          : healthy(call),
      async (client, service) => {
        const call = client.getUserBalance({ userId: "user-1" })
        const run = client.withOperation(open, async () => {
          await release.promise
          return used
        })
        await service.received(2)
        const closing = client.close()
        const late = await rejection(client.getUserBalance({ userId: "user-1" }))
        assert.propertyVal(late, "reason", "closed")
        release.resolve()
        assert.strictEqual((await call).balance, 99)
        assert.strictEqual((await run).value, "an answer")
        await closing
      }
    )
    assert.deepStrictEqual(tags(service).sort(), ["GetUserBalance", "Operation.Open", "Operation.RecordAndClose"])
  })

  it("twice is closing it once", async () => {
    const service = await FakeService.start(() => success(userBalance))
    const client = makeCreditClient(optionsFor(service))
    await client.getUserBalance({ userId: "user-1" })
    await Promise.all([client.close(), client.close()])
    await client.close()
    await service.stop()
  })
})

describe("A base URL", () => {
  it("that is none is told at once", () => {
    for (const baseUrl of ["localhost", "", "ftp://localhost", "localhost:3000"]) {
      assert.throws(() => makeCreditClient({ baseUrl, token: TOKEN }), TypeError, "base URL")
    }
  })
})
