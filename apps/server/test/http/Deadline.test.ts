import { transactionId } from "@credit/domain/decide"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import {
  call,
  emptyBalance,
  post,
  startTestService,
  succeeded,
  type TestService,
  type TestServiceOptions,
  tokenFor
} from "../utils/TestService.ts"

const withService = async (options: TestServiceOptions, test: (service: TestService) => Promise<void>) => {
  const service = await startTestService(options)
  try {
    await test(service)
  } finally {
    await service.close()
  }
}

const open = { userId: "u", operationTypeCode: "a" }
/** An effect that waits until it is told, and tells that it began and whether it was interrupted. */
const gate = () => {
  const began = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<"done" | "interrupted">()
  const go = Promise.withResolvers<void>()
  const wait = Effect.suspend(() => {
    began.resolve()
    return Effect.promise(() => go.promise)
  }).pipe(Effect.onExit((exit) => Effect.sync(() => ended.resolve(exit._tag === "Success" ? "done" : "interrupted"))))
  return { began: began.promise, ended: ended.promise, go: go.resolve, wait }
}

describe("a caller that has waited for the request deadline", () => {
  const environment = { REQUEST_DEADLINE: "200 millis" }

  it("of a query is told that it cannot be answered now, and the query ends", async () => {
    const { ended, wait } = gate()
    await withService(
      { environment, getUserBalance: (payload) => Effect.as(wait, emptyBalance(payload)) },
      async (service) => {
        const { error } = await call(
          service,
          "GetUserBalance",
          { userId: "u" },
          { token: await tokenFor({ role: "app" }) }
        )
        assert.deepStrictEqual(error, { _tag: "ServiceUnavailable", retryAfterSeconds: 1 })
        assert.strictEqual(await ended, "interrupted")
      }
    )
  })

  it("of a command is told that it is in progress, under its transaction", async () => {
    await withService({ environment, submit: () => Effect.never }, async (service) => {
      const { error } = await call(service, "Operation.Open", open, {
        token: await tokenFor({ role: "app" }),
        headers: { "idempotency-key": "slow" }
      })
      assert.deepStrictEqual(error, {
        _tag: "RequestInProgress",
        retryAfterSeconds: 1,
        meta: { transactionId: transactionId("acme", "Operation.Open", "slow"), replayed: false }
      })
    })
  })

  it("still gets the answers that came in time", async () => {
    const { wait } = gate()
    await withService(
      {
        environment,
        getUserBalance: (payload) =>
          payload.userId === "slow" ? Effect.as(wait, emptyBalance(payload)) : Effect.succeed(emptyBalance(payload))
      },
      async (service) => {
        const calls = ["slow", "fast", "slow"].map((userId) => ({ tag: "GetUserBalance", payload: { userId } }))
        for (const contentType of ["application/json", "application/x-ndjson"]) {
          const body =
            contentType === "application/json"
              ? JSON.stringify(calls)
              : calls.map((it) => JSON.stringify(it)).join("\n")
          const { ended } = await post(service, body, {
            authorization: `Bearer ${await tokenFor({ role: "app" })}`,
            "content-type": contentType
          })
          const byId = new Map(ended.map((it) => [it.requestId, it]))
          assert.deepStrictEqual(
            ["1", "2", "3"].map((id) => byId.get(id)?.error?._tag ?? byId.get(id)?.value?.userId),
            ["ServiceUnavailable", "fast", "ServiceUnavailable"]
          )
        }
      }
    )
  })
})

describe("a caller that leaves", () => {
  const leave = async (service: TestService, tag: string, payload: unknown, began: Promise<void>) => {
    const controller = new AbortController()
    const asked = fetch(`${service.url}/rpc`, {
      method: "POST",
      body: JSON.stringify({ tag, payload }),
      headers: { authorization: `Bearer ${await tokenFor({ role: "app" })}`, "idempotency-key": "left" },
      signal: controller.signal
    })
    await began
    controller.abort()
    await asked.then(
      () => assert.fail("the caller has left"),
      () => undefined
    )
  }

  it("takes its query along", async () => {
    const { began, ended, wait } = gate()
    await withService({ getUserBalance: (payload) => Effect.as(wait, emptyBalance(payload)) }, async (service) => {
      await leave(service, "GetUserBalance", { userId: "u" }, began)
      assert.strictEqual(await ended, "interrupted")
    })
  })

  it("leaves its command behind, which runs to its end", async () => {
    const { began, ended, go, wait } = gate()
    await withService({ submit: () => Effect.as(wait, succeeded({})) }, async (service) => {
      await leave(service, "Operation.Open", open, began)
      // Had the command been interrupted by the caller's leaving, it would be by the time another request is answered.
      await fetch(`${service.url}/health`)
      go()
      assert.strictEqual(await ended, "done")
    })
  })
})

describe("a service that is told to stop", () => {
  it("answers what it has begun, takes nothing new, and keeps no idle connection", async () => {
    const { began, go, wait } = gate()
    const service = await startTestService({ getUserBalance: (payload) => Effect.as(wait, emptyBalance(payload)) })
    const token = await tokenFor({ role: "app" })
    // An idle connection, kept alive by the client.
    await fetch(`${service.url}/health`)
    const asked = call(service, "GetUserBalance", { userId: "u" }, { token })
    await began
    const started = performance.now()
    const closed = service.close()
    const late = await fetch(`${service.url}/health`).then(
      (response) => response.status,
      () => "refused" as const
    )
    assert.strictEqual(late, "refused")
    go()
    assert.strictEqual((await asked).value?.userId, "u")
    await closed
    assert.isBelow(performance.now() - started, 3000)
  })

  it("does not wait for ever for a request that does not end", async () => {
    const service = await startTestService({
      environment: { REQUEST_DEADLINE: "60 seconds", SHUTDOWN_DEADLINE: "9 seconds" },
      submit: () => Effect.never
    })
    const token = await tokenFor({ role: "app" })
    const asked = call(service, "Operation.Open", open, { token, headers: { "idempotency-key": "k" } }).then(
      () => "answered",
      () => "cut"
    )
    while (service.submitted.length === 0) await fetch(`${service.url}/health`)
    const started = performance.now()
    await service.close()
    assert.isBelow(performance.now() - started, 4000)
    assert.strictEqual(await asked, "cut")
  })
})
