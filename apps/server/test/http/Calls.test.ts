import { transactionId } from "@credit/domain/decide"
import { OperationId, UserId } from "@credit/domain/Ids"
import { Api } from "@credit/rpc/Api"
import { Unauthorized } from "@credit/rpc/Errors"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import {
  call,
  emptyBalance,
  post,
  startTestService,
  succeeded,
  type TestService,
  tokenFor
} from "../utils/TestService.ts"

const openedId = OperationId.make("0190a6e0-0000-7000-8000-000000000001")

const opened = (submission: { readonly key: string }) =>
  succeeded({
    operation: {
      operationId: openedId,
      userId: "u1",
      operationTypeCode: "llm_tokens",
      status: "open",
      capturedRate: "0.57",
      resourceUnit: "K_TOKENS",
      held: 1,
      openedAt: "2026-01-01T00:00:00.000Z",
      expiresAt: "2026-01-01T01:00:00.000Z",
      late: false
    },
    meta: { transactionId: transactionId("acme", "Operation.Open", submission.key), replayed: false }
  })

describe("a call over HTTP", () => {
  let service: TestService
  let app: string
  beforeAll(async () => {
    service = await startTestService({
      submit: (submission) => Effect.succeed(opened(submission)),
      getUserBalance: (payload) =>
        payload.userId === "broken"
          ? Effect.die(new Error("postgres://ada:hunter2@db/ledger SELECT * FROM accounts"))
          : Effect.succeed(emptyBalance(payload))
    })
    app = await tokenFor({ role: "app" })
  })
  afterAll(() => service.close())

  const open = { userId: "u1", operationTypeCode: "llm_tokens", estimatedAmount: "1.50" }

  it("answers a query", async () => {
    const { value } = await call(service, "GetUserBalance", { userId: "u1" }, { token: app })
    assert.strictEqual(value?.userId, "u1")
    assert.strictEqual(value?.asOf, "2026-01-01T00:00:00.000Z")
  })

  it("hands a command to the engine, decoded, with its key and its caller", async () => {
    const { value } = await call(service, "Operation.Open", open, {
      token: app,
      headers: { "idempotency-key": "k-1", "dry-run": "true" }
    })
    assert.property(value, "operation")
    const submission = service.submitted.at(-1)
    assert.strictEqual(submission?.key, "k-1")
    assert.strictEqual(submission?.dryRun, true)
    assert.strictEqual(submission?.caller.merchantId, "acme")
    assert.strictEqual(submission?.intent.type, "Operation.Open")
  })

  for (const [name, serialization] of [
    ["JSON", RpcSerialization.layerJson],
    ["NDJSON", RpcSerialization.layerNdjson]
  ] as const) {
    const client = (token: string) =>
      RpcClient.layerProtocolHttp({
        url: `${service.url}/rpc`,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token)),
        batch: { window: "5 millis" }
      }).pipe(Layer.provide([serialization, NodeHttpClient.layerUndici]))

    it(`speaks with the RPC client in ${name}: answers, many calls in one request, typed errors`, async () => {
      const program = Effect.gen(function* () {
        const rpc = yield* RpcClient.make(Api)
        const headers = { headers: { "idempotency-key": `client-${name}` } }
        const [balance, refused, operation] = yield* Effect.all(
          [
            rpc.GetUserBalance({ userId: UserId.make("u7") }),
            Effect.flip(rpc["Operation.Cancel"]({ operationId: openedId })),
            rpc["Operation.Open"]({ userId: UserId.make("u1"), operationTypeCode: "llm_tokens" }, headers)
          ],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(balance.userId, "u7")
        assert.strictEqual(refused._tag, "InvalidRequest")
        assert.strictEqual(operation.operation.status, "open")
      })
      await Effect.runPromise(Effect.scoped(program.pipe(Effect.provide(client(app)))))
      const unauthorized = await Effect.runPromise(
        Effect.scoped(
          Effect.flatMap(RpcClient.make(Api), (rpc) => Effect.flip(rpc.GetUserBalance({ userId: UserId.make("u") })))
        ).pipe(Effect.provide(client("no.such.token")))
      )
      assert.instanceOf(unauthorized, Unauthorized)
    })
  }

  it("answers each call of an array under its own id, in one array", async () => {
    const body = [
      { _tag: "Request", id: 7, tag: "GetUserBalance", payload: { userId: "a" }, headers: [] },
      { _tag: "Request", id: "x", tag: "Operation.Open", payload: open, headers: [["Idempotency-Key", "k-2"]] },
      { tag: "Operation.Open", payload: open, headers: { "idempotency-key": "k-3" } },
      { tag: "Nothing.Such", payload: {} },
      { _tag: "Ack", requestId: 7 }
    ]
    const { contentType, ended, status } = await post(service, JSON.stringify(body), { authorization: `Bearer ${app}` })
    assert.strictEqual(status, 200)
    assert.strictEqual(contentType, "application/json")
    const byId = new Map(ended.map((it) => [it.requestId, it]))
    assert.strictEqual(byId.get(7)?.value?.userId, "a")
    assert.property(byId.get("x")?.value, "operation")
    assert.property(byId.get("1")?.value, "operation")
    assert.strictEqual(byId.get("2")?.error?._tag, "InvalidRequest")
    assert.strictEqual(byId.size, 4)
  })

  it("answers lines with lines", async () => {
    const lines = [
      JSON.stringify({ id: "a", tag: "GetUserBalance", payload: { userId: "a" } }),
      "",
      JSON.stringify({ id: "b", tag: "GetUserBalance", payload: { userId: "b" } })
    ]
    const answer = await post(service, `${lines.join("\r\n")}\n`, {
      authorization: `Bearer ${app}`,
      "content-type": "application/x-ndjson"
    })
    assert.strictEqual(answer.contentType, "application/x-ndjson")
    assert.sameMembers(
      answer.ended.map((it) => it.requestId),
      ["a", "b"]
    )
    assert.isTrue(answer.text.endsWith("\n"))
  })

  it("has nothing to say to messages that mean nothing over HTTP", async () => {
    const answer = await post(service, JSON.stringify([{ _tag: "Ping" }, { _tag: "Eof" }]))
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.text, "[]")
  })

  it("tells of a fault nothing but an id, under which the log has the cause", async () => {
    const { error } = await call(service, "GetUserBalance", { userId: "broken" }, { token: app })
    assert.strictEqual(error?._tag, "InternalError")
    assert.deepStrictEqual(Object.keys(error ?? {}).sort(), ["_tag", "correlationId"])
    const lines = service.logged.filter((line) => line.includes(String(error?.correlationId)))
    assert.lengthOf(lines, 1)
    assert.include(lines[0], "SELECT * FROM accounts")
    assert.include(lines[0], "GetUserBalance")
  })

  it("knows no other method and no other path", async () => {
    const get = await fetch(`${service.url}/rpc`)
    assert.strictEqual(get.status, 405)
    assert.strictEqual(get.headers.get("allow"), "POST")
    assert.strictEqual((await fetch(`${service.url}/`)).status, 404)
    assert.strictEqual((await fetch(`${service.url}/rpc/x`, { method: "POST" })).status, 404)
  })
})
