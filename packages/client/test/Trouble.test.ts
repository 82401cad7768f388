import { inspect } from "node:util"
import { CreditClient } from "@credit/client/CreditClient"
import { CreditClientError } from "@credit/client/CreditClientError"
import { UserId } from "@credit/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { FakeService, failure, type Reaction, type ReceivedCall, success } from "./support/FakeService.ts"
import { quick, scenario, TOKEN } from "./support/run.ts"
import { opened, userBalance } from "./support/Samples.ts"

const userId = UserId.make("user-1")
const open = { userId, operationTypeCode: "llm_tokens" }
const exit = { _tag: "Success", value: opened }

/** The first two attempts fare as told, the third succeeds. */
const twice =
  (reaction: Reaction) =>
  ({ attempt }: ReceivedCall): Reaction =>
    attempt < 3 ? reaction : success(opened)

const passing: Readonly<Record<string, Reaction>> = {
  "a connection that is lost at once": { do: "reset" },
  "an answer that is cut after its headers": { do: "cut", exit, bytes: 0 },
  "an answer that is cut in the middle": { do: "cut", exit, bytes: 200 },
  "an answer that is cut before its last byte": { do: "cut", exit, bytes: JSON.stringify([{ exit }]).length },
  "an answer without anything in it": { do: "http", status: 200 },
  "JSON that a proxy cut": {
    do: "http",
    status: 200,
    body: '[{"_tag":"Ex',
    headers: { "content-type": "application/json" }
  },
  "an answer to another call": {
    do: "http",
    status: 200,
    body: JSON.stringify([{ _tag: "Exit", requestId: "another", exit }])
  },
  "HTTP 429 of a proxy": { do: "http", status: 429 },
  "HTTP 502 of a proxy": { do: "http", status: 502, body: "<html>Bad Gateway</html>" },
  "HTTP 503 of a proxy, with a time": { do: "http", status: 503, headers: { "retry-after": "0" } },
  "HTTP 504 of a proxy": { do: "http", status: 504 },
  RequestInProgress: failure({ _tag: "RequestInProgress", retryAfterSeconds: 0 }),
  ServiceUnavailable: failure({ _tag: "ServiceUnavailable", retryAfterSeconds: 0 }),
  RateLimited: failure({ _tag: "RateLimited", retryAfterSeconds: 0 })
}

describe("Trouble that passes", () => {
  for (const [name, reaction] of Object.entries(passing)) {
    it(`is overcome with one and the same key: ${name}`, async () => {
      const { result, service } = await scenario(twice(reaction), (client) => client.operation.open(open))
      assert.strictEqual(result.operation.operationId, opened.operation.operationId)
      assert.lengthOf(service.calls, 3)
      assert.lengthOf(service.keysOf("Operation.Open"), 1)
    })
  }

  it("is overcome for queries, too", async () => {
    const { result, service } = await scenario(
      ({ attempt }) => (attempt < 3 ? { do: "reset" } : success(userBalance)),
      (client) => client.getUserBalance({ userId })
    )
    assert.strictEqual(result.balance, 99)
    assert.lengthOf(service.calls, 3)
  })

  it("is overcome when an answer does not come: the attempt is given up and made again", async () => {
    const { service } = await scenario(
      ({ attempt }) => (attempt < 2 ? { do: "hang" } : success(opened)),
      (client) => client.operation.open(open),
      { timeout: 50 }
    )
    assert.lengthOf(service.keysOf("Operation.Open"), 1)
    assert.strictEqual(service.abandoned, 1)
  })

  it("is overcome when the service closed its idle connections", async () => {
    const { service } = await scenario(
      () => success(userBalance),
      (client, service) =>
        Effect.forEach(Array.from({ length: 10 }), () =>
          Effect.andThen(
            client.getUserBalance({ userId }),
            Effect.sync(() => service.dropConnections())
          )
        )
    )
    assert.isAtLeast(service.connections, 10)
  })

  for (const coalesce of [false, true]) {
    it(`is overcome for many callers at once${coalesce ? " whose calls share requests" : ""}: each command has one key, and all succeed`, async () => {
      const reactions = Object.values(passing)
      const { result, service } = await scenario(
        ({ attempt, payload }) => {
          const seed = Number(String(payload.userId).slice(1)) + attempt
          return attempt < 4 ? (reactions[seed % reactions.length] ?? success(opened)) : success(opened)
        },
        (client) =>
          Effect.forEach(
            Array.from({ length: 100 }, (_, index) => UserId.make(`u${index}`)),
            (userId) => client.operation.open({ ...open, userId }),
            { concurrency: "unbounded" }
          ),
        { coalesce }
      )
      assert.lengthOf(result, 100)
      // A connection that is lost is lost for all who share it: some are sent once more than alone.
      if (coalesce) assert.isAtLeast(service.calls.length, 400)
      else assert.lengthOf(service.calls, 400)
      assert.lengthOf(service.keysOf("Operation.Open"), 100)
    })
  }

  it("is not waited for by a caller who does not want that", async () => {
    for (const [name, reaction] of Object.entries(passing)) {
      const { service } = await scenario(
        () => reaction,
        (client) => Effect.flip(client.operation.open(open)),
        { retry: false }
      )
      assert.lengthOf(service.calls, 1, name)
    }
  })
})

describe("Trouble that stays", () => {
  const fate = async (reaction: Reaction) => {
    const { result, service } = await scenario(
      () => reaction,
      (client) => Effect.flip(client.operation.open(open))
    )
    assert.instanceOf(result, CreditClientError)
    assert.lengthOf(service.calls, 1, "it was sent again")
    return result instanceof CreditClientError ? result : undefined
  }

  it("is told at once: an HTTP status that nothing but a wrong address explains", async () => {
    for (const status of [301, 401, 403, 404, 500]) {
      const error = await fate({ do: "http", status, body: "<html></html>" })
      assert.strictEqual(error?.reason, "http")
      assert.strictEqual(error?.status, status)
    }
  })

  it("is told at once: a page that is not the service's", async () => {
    const headers = { "content-type": "text/html; charset=utf-8" }
    const error = await fate({ do: "http", status: 200, body: "<html>Log in</html>", headers })
    assert.strictEqual(error?.reason, "http")
    assert.include(error?.message, "answered with text/html; is the base URL right?")
  })

  it("is told at once: an answer that is not what the contract says, without its values", async () => {
    const strange = { ...opened, operation: { ...opened.operation, status: "secret" } }
    const error = await fate(success(strange))
    assert.strictEqual(error?.reason, "answer")
    assert.include(error?.message, "operation.status")
    assert.notInclude(inspect(error), "secret")
  })

  it("is told at once: an error that the contract does not know", async () => {
    const error = await fate(failure({ _tag: "Unheard" }))
    assert.strictEqual(error?.reason, "answer")
  })

  it("is told at once: a failure without a typed error, without its text", async () => {
    const error = await fate({
      do: "answer",
      exit: { _tag: "Failure", cause: [{ _tag: "Die", defect: "password=secret" }] }
    })
    assert.strictEqual(error?.reason, "answer")
    assert.notInclude(inspect(error), "secret")
  })

  it("that a refused request as a whole is, is the call's typed error", async () => {
    const refusal = { _tag: "InvalidRequest", field: "body", message: "The body is too large" }
    const body = JSON.stringify([
      { _tag: "Exit", requestId: "", exit: { _tag: "Failure", cause: [{ _tag: "Fail", error: refusal }] } }
    ])
    const { result } = await scenario(
      () => ({ do: "http", status: 413, body, headers: { "content-type": "application/json" } }),
      (client) => Effect.flip(client.operation.open(open))
    )
    assert.strictEqual(result._tag, "InvalidRequest")
  })
})

describe("A service that cannot be reached", () => {
  /** What a caller gets who asks where nobody is. */
  const unreachable = async () => {
    const service = await FakeService.start(() => success(opened))
    const { url } = service
    await service.stop()
    const error = await CreditClient.use((client) =>
      Effect.flip(client.operation.open(open, { idempotencyKey: "order-17" }))
    ).pipe(
      Effect.provide(CreditClient.layer({ baseUrl: url, token: TOKEN, retry: { ...quick, total: 60 } })),
      Effect.runPromise
    )
    return { error, url }
  }

  it("is told in one line, with the key to send it again by", async () => {
    const { error, url } = await unreachable()
    assert.instanceOf(error, CreditClientError)
    if (!(error instanceof CreditClientError)) return
    assert.strictEqual(error.reason, "unreachable")
    assert.strictEqual(error.rpc, "Operation.Open")
    assert.strictEqual(error.idempotencyKey, "order-17")
    assert.isAbove(error.attempts, 1)
    assert.strictEqual(
      error.message,
      `Operation.Open: cannot reach ${url} (ECONNREFUSED) (after ${error.attempts} attempts)`
    )
  })

  it("is told without the token", async () => {
    const { error } = await unreachable()
    for (const shown of [inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), `${error.stack}`]) {
      assert.notInclude(shown, TOKEN)
    }
  })

  it("does not keep a caller longer than the caller wants to wait", async () => {
    const { result } = await scenario(
      () => ({ do: "hang" }),
      (client) => Effect.flip(client.operation.open(open)),
      { timeout: 10_000, retry: { total: 60 } }
    )
    assert.instanceOf(result, CreditClientError)
    assert.strictEqual(result instanceof CreditClientError ? result.reason : "", "timeout")
  })
})
