import { request } from "node:http"
import { connect } from "node:net"
import * as Effect from "effect/Effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { call, post, startTestService, succeeded, type TestService, tokenFor } from "../utils/TestService.ts"

let service: TestService
let app: string
let admin: string
beforeAll(async () => {
  service = await startTestService({ environment: { MAX_BODY_BYTES: "65536", MAX_CALLS_PER_REQUEST: "10" } })
  app = await tokenFor({ role: "app" })
  admin = await tokenFor({ role: "admin" })
})
afterAll(() => service.close())

const balance = { tag: "GetUserBalance", payload: { userId: "u" } }
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`

describe("a body that holds no call that could be run", () => {
  const bodies: ReadonlyArray<readonly [name: string, body: string | Uint8Array, status: number, field: string]> = [
    ["nothing", "", 400, "body"],
    ["white space", " \n ", 400, "body"],
    ["no JSON", "hello", 400, "body"],
    ["half a call", '{"tag":"GetUserBalance"', 400, "body"],
    ["two texts in one line", "{}{}", 400, "body"],
    ["a form", "tag=GetUserBalance&userId=u", 400, "body"],
    ["XML", "<call/>", 400, "body"],
    ["NaN", '{"tag":NaN}', 400, "body"],
    ["a comment", '{"tag":"GetUserBalance" /* me */}', 400, "body"],
    ["a byte order mark", `\uFEFF${JSON.stringify(balance)}`, 400, "body"],
    ["not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400, "body"],
    ["UTF-16", Buffer.from(JSON.stringify(balance), "utf16le"), 400, "body"],
    ["null", "null", 400, "body"],
    ["a number", "1", 400, "body"],
    ["a text", '"GetUserBalance"', 400, "body"],
    ["no call at all", "[]", 400, "body"],
    ["a list of lists", "[[]]", 400, "body"],
    ["a list with a number in it", `[${JSON.stringify(balance)},1]`, 400, "body"],
    ["an object that names no RPC", "{}", 400, "tag"],
    ["an RPC's name that is no text", '{"tag":1,"payload":{}}', 400, "tag"],
    ["33 levels", nested(33), 400, "body"],
    ["60,000 levels that never end", "[".repeat(60_000), 400, "body"],
    ["33 levels in a payload", `{"tag":"GetUserBalance","payload":${nested(32)}}`, 400, "body"],
    ["eleven calls where ten are allowed", JSON.stringify(Array.from({ length: 11 }, () => balance)), 400, "body"],
    [
      "the same id twice",
      JSON.stringify([
        { ...balance, id: "a" },
        { ...balance, id: "a" }
      ]),
      400,
      "id"
    ],
    [
      "the same id as text and as number",
      JSON.stringify([
        { ...balance, id: 1 },
        { ...balance, id: "1" }
      ]),
      400,
      "id"
    ],
    ["more bytes than allowed", JSON.stringify({ ...balance, filler: "x".repeat(70_000) }), 413, "body"]
  ]
  for (const [name, body, status, field] of bodies) {
    it(`is refused with a typed error: ${name}`, async () => {
      const answer = await post(service, body, { authorization: `Bearer ${app}` })
      assert.strictEqual(answer.status, status)
      assert.isAtLeast(answer.ended.length, 1)
      for (const { error } of answer.ended) {
        assert.strictEqual(error?._tag, "InvalidRequest")
        assert.strictEqual(error?.field, field)
      }
    })
  }

  it("names every call it does not run by its id", async () => {
    const body = JSON.stringify([
      { ...balance, id: "a" },
      { ...balance, id: "a" },
      { ...balance, id: 9 }
    ])
    const { ended } = await post(service, body)
    assert.deepStrictEqual(
      ended.map((it) => it.requestId),
      ["a", 9]
    )
  })

  it("is refused while it streams in, with nobody having said how long it is", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sending = request(`${service.url}/rpc`, { method: "POST" }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      // The server may close on us while we still send; by then it has answered.
      sending.on("error", reject)
      for (let sent = 0; sent < 80; sent++) sending.write("x".repeat(1000))
      sending.end()
    })
    assert.strictEqual(status, 413)
  })

  it("32 levels are fine", async () => {
    const { ended, status } = await post(service, `{"tag":"GetUserBalance","payload":${nested(31)}}`)
    assert.strictEqual(status, 200)
    assert.strictEqual(ended[0]?.error?._tag, "Unauthorized")
  })

  it("brackets in a text are no levels", async () => {
    const userId = `\\"${"[".repeat(100)}`
    const { ended } = await post(service, `{"tag":"GetUserBalance","payload":{"userId":"${userId}"}}`, {
      authorization: `Bearer ${app}`
    })
    assert.strictEqual(ended[0]?.error?.field, "userId")
  })
})

describe("a call that cannot be run", () => {
  const calls: ReadonlyArray<readonly [name: string, call: string, field: string]> = [
    ["an RPC that there is not", '{"tag":"Nothing.Such","payload":{}}', "tag"],
    ["an RPC named like a property of every object", '{"tag":"constructor","payload":{}}', "tag"],
    ["an RPC named __proto__", '{"tag":"__proto__","payload":{}}', "tag"],
    ["another kind of message", '{"_tag":"Fetch","tag":"GetUserBalance","payload":{"userId":"u"}}', "_tag"],
    ["an id that is an object", '{"id":{},"tag":"GetUserBalance","payload":{"userId":"u"}}', "id"],
    ["an id that is null", '{"id":null,"tag":"GetUserBalance","payload":{"userId":"u"}}', "id"],
    ["headers that are a text", '{"tag":"GetUserBalance","payload":{"userId":"u"},"headers":"x"}', "headers"],
    ["a header without a value", '{"tag":"GetUserBalance","payload":{"userId":"u"},"headers":[["a"]]}', "headers"],
    ["a header that is a number", '{"tag":"GetUserBalance","payload":{"userId":"u"},"headers":[["a",1]]}', "headers"],
    ["a notification", '{"tag":"GetUserBalance","payload":{"userId":"u"},"isNotification":true}', "isNotification"],
    ["a discarded answer", '{"tag":"GetUserBalance","payload":{"userId":"u"},"discard":true}', "discard"],
    ["no payload", '{"tag":"GetUserBalance"}', "payload"],
    ["a payload that is null", '{"tag":"GetUserBalance","payload":null}', "payload"],
    ["a payload that is a list", '{"tag":"GetUserBalance","payload":[]}', "payload"],
    ["a payload that is a text", '{"tag":"GetUserBalance","payload":"u"}', "payload"],
    ["a field missing", '{"tag":"GetUserBalance","payload":{}}', "userId"],
    ["a field too many", '{"tag":"GetUserBalance","payload":{"userId":"u","merchantId":"other"}}', "merchantId"],
    [
      "a field named __proto__",
      '{"tag":"GetUserBalance","payload":{"userId":"u","__proto__":{"admin":true}}}',
      "__proto__"
    ],
    [
      "a field that comes as __proto__ only",
      '{"tag":"GetUserBalance","payload":{"__proto__":{"userId":"u"}}}',
      "__proto__"
    ],
    ["a field named constructor", '{"tag":"GetUserBalance","payload":{"userId":"u","constructor":1}}', "constructor"],
    ["an empty user id", '{"tag":"GetUserBalance","payload":{"userId":""}}', "userId"],
    ["a user id of 129 characters", `{"tag":"GetUserBalance","payload":{"userId":"${"u".repeat(129)}"}}`, "userId"],
    ["a user id with NUL", '{"tag":"GetUserBalance","payload":{"userId":"a\\u0000b"}}', "userId"],
    ["a user id with half a character", '{"tag":"GetUserBalance","payload":{"userId":"a\\ud800"}}', "userId"],
    ["a user id with a line feed at its end", '{"tag":"GetUserBalance","payload":{"userId":"u\\n"}}', "userId"],
    ["a page too large", '{"tag":"ListLots","payload":{"userId":"u","limit":501}}', "limit"],
    ["a page of 1.5", '{"tag":"ListLots","payload":{"userId":"u","limit":1.5}}', "limit"],
    ["a page of 2^53 + 1", '{"tag":"ListLots","payload":{"userId":"u","limit":9007199254740993}}', "limit"],
    ["a page of infinitely many", '{"tag":"ListLots","payload":{"userId":"u","limit":1e400}}', "limit"],
    ["a number as text", '{"tag":"ListLots","payload":{"userId":"u","limit":"10"}}', "limit"],
    [
      "a day that there is not",
      '{"tag":"GetLedgerHistory","payload":{"userId":"u","from":"2026-02-30T00:00:00Z"}}',
      "from"
    ],
    [
      "a day without its offset",
      '{"tag":"GetLedgerHistory","payload":{"userId":"u","from":"2026-02-20T00:00:00"}}',
      "from"
    ],
    [
      "a reason that there is not",
      '{"tag":"GetLedgerHistory","payload":{"userId":"u","reasons":["bribe"]}}',
      "reasons.0"
    ],
    ["a cursor that is SQL", '{"tag":"ListLots","payload":{"userId":"u","cursor":"\' OR 1=1"}}', "cursor"]
  ]
  for (const [name, body, field] of calls) {
    it(`is refused with a typed error that names the field: ${name}`, async () => {
      const answer = await post(service, body, { authorization: `Bearer ${app}` })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.ended[0]?.error?._tag, "InvalidRequest", answer.text)
      assert.strictEqual(answer.ended[0]?.error?.field, field, answer.text)
      assert.isBelow(String(answer.ended[0]?.error?.message).length, 250)
    })
  }

  const commands: ReadonlyArray<readonly [name: string, tag: string, payload: string, field: string]> = [
    [
      "credits of 2^53 + 1",
      "Grant.Apply",
      '{"userId":"u","grant":{"type":"manual","credits":9007199254740993,"accessPeriodDays":1,"justification":"x"}}',
      "grant.credits"
    ],
    [
      "credits of 1e400",
      "Grant.Apply",
      '{"userId":"u","grant":{"type":"manual","credits":1e400,"accessPeriodDays":1,"justification":"x"}}',
      "grant.credits"
    ],
    [
      "credits of 1.5",
      "Grant.Apply",
      '{"userId":"u","grant":{"type":"manual","credits":1.5,"accessPeriodDays":1,"justification":"x"}}',
      "grant.credits"
    ],
    [
      "negative credits",
      "Grant.Apply",
      '{"userId":"u","grant":{"type":"manual","credits":-1,"accessPeriodDays":1,"justification":"x"}}',
      "grant.credits"
    ],
    ["a grant of no kind", "Grant.Apply", '{"userId":"u","grant":{"type":"bribe"}}', "grant"],
    [
      "an amount that is a number",
      "Operation.Open",
      '{"userId":"u","operationTypeCode":"a","estimatedAmount":1.5}',
      "estimatedAmount"
    ],
    [
      "an amount of seven decimals",
      "Operation.Open",
      '{"userId":"u","operationTypeCode":"a","estimatedAmount":"0.0000001"}',
      "estimatedAmount"
    ],
    [
      "a negative amount",
      "Operation.Open",
      '{"userId":"u","operationTypeCode":"a","estimatedAmount":"-1"}',
      "estimatedAmount"
    ],
    [
      "an amount with an exponent",
      "Operation.Open",
      '{"userId":"u","operationTypeCode":"a","estimatedAmount":"1e3"}',
      "estimatedAmount"
    ],
    ["a code with a space", "Operation.Open", '{"userId":"u","operationTypeCode":"a b"}', "operationTypeCode"],
    ["an operation id that is none", "Operation.Cancel", '{"operationId":"1"}', "operationId"],
    [
      "an operation id in capitals",
      "Operation.Cancel",
      '{"operationId":"0190A6E0-0000-7000-8000-000000000001"}',
      "operationId"
    ],
    ["a clock that goes back", "Sandbox.AdvanceClock", '{"hours":-1}', "hours"]
  ]
  for (const [name, tag, payload, field] of commands) {
    it(`never reaches the engine: ${name}`, async () => {
      const before = service.submitted.length
      const answer = await post(service, `{"tag":"${tag}","payload":${payload}}`, {
        authorization: `Bearer ${admin}`,
        "idempotency-key": "k"
      })
      assert.strictEqual(answer.ended[0]?.error?._tag, "InvalidRequest", answer.text)
      assert.strictEqual(answer.ended[0]?.error?.field, field, answer.text)
      assert.strictEqual(service.submitted.length, before)
    })
  }

  it("does not hear back what it sent", async () => {
    const secret = "4111111111111111"
    const { text } = await post(
      service,
      JSON.stringify({ tag: "GetUserBalance", payload: { userId: `${secret} `, [`x${"y".repeat(500)}`]: secret } }),
      { authorization: `Bearer ${app}` }
    )
    assert.notInclude(text, secret)
    assert.isBelow(text.length, 700)
  })

  it("of two fields with one name the last counts, as in every JSON", async () => {
    const { ended } = await post(service, '{"tag":"GetUserBalance","payload":{"userId":"a","userId":"b"}}', {
      authorization: `Bearer ${app}`
    })
    assert.strictEqual(ended[0]?.value?.userId, "b")
  })

  it("leaves the calls beside it alone", async () => {
    const { ended } = await post(service, JSON.stringify([{ tag: "Nothing" }, balance, { tag: "GetUserBalance" }]), {
      authorization: `Bearer ${app}`
    })
    assert.deepStrictEqual(
      ended.map((it) => it.error?.field ?? it.value?.userId),
      ["tag", "u", "payload"]
    )
  })
})

describe("the headers of a command", () => {
  const open = { userId: "u", operationTypeCode: "a" }
  const send = (http: Readonly<Record<string, string>>, own: ReadonlyArray<readonly [string, string]> = []) =>
    post(service, JSON.stringify({ tag: "Operation.Open", payload: open, headers: own }), {
      authorization: `Bearer ${app}`,
      ...http
    })

  const refused: ReadonlyArray<
    readonly [
      name: string,
      http: Readonly<Record<string, string>>,
      own: ReadonlyArray<readonly [string, string]>,
      field: string
    ]
  > = [
    ["no key", {}, [], "Idempotency-Key"],
    ["an empty key", { "idempotency-key": "" }, [], "Idempotency-Key"],
    ["a key of 256 characters", { "idempotency-key": "k".repeat(256) }, [], "Idempotency-Key"],
    ["a key with a space", { "idempotency-key": "a b" }, [], "Idempotency-Key"],
    ["a key beyond ASCII", {}, [["idempotency-key", "ключ"]], "Idempotency-Key"],
    ["a key with a line feed", {}, [["idempotency-key", "a\nb"]], "Idempotency-Key"],
    ["a key here and another there", { "idempotency-key": "a" }, [["idempotency-key", "b"]], "Idempotency-Key"],
    [
      "a key twice in the call",
      {},
      [
        ["idempotency-key", "a"],
        ["Idempotency-Key", "a"]
      ],
      "Idempotency-Key"
    ],
    ["a dry run that is neither true nor false", { "idempotency-key": "a", "dry-run": "yes" }, [], "Dry-Run"],
    ["a dry run here and none there", { "idempotency-key": "a", "dry-run": "true" }, [["dry-run", "false"]], "Dry-Run"],
    ["a merchant here and another there", { "x-merchant-id": "acme" }, [["x-merchant-id", "other"]], "X-Merchant-Id"],
    ["a merchant that is none", { "x-merchant-id": "ACME" }, [], "X-Merchant-Id"]
  ]
  for (const [name, http, own, field] of refused) {
    it(`are refused with a typed error: ${name}`, async () => {
      const { ended } = await send(http, own)
      assert.strictEqual(ended[0]?.error?._tag, "InvalidRequest")
      assert.strictEqual(ended[0]?.error?.field, field)
    })
  }

  const accepted: ReadonlyArray<
    readonly [name: string, http: Readonly<Record<string, string>>, own: ReadonlyArray<readonly [string, string]>]
  > = [
    ["a key of one character", { "idempotency-key": "!" }, []],
    ["a key of 255", { "idempotency-key": "~".repeat(255) }, []],
    ["a key in the call", {}, [["Idempotency-KEY", "a"]]],
    ["the same key here and there", { "idempotency-key": "a" }, [["idempotency-key", "a"]]],
    ["a dry run", { "idempotency-key": "a", "dry-run": "true" }, []],
    ["no dry run", { "idempotency-key": "a", "dry-run": "false" }, []]
  ]
  for (const [name, http, own] of accepted) {
    it(`are fine: ${name}`, async () => {
      const { ended } = await send(http, own)
      assert.isDefined(ended[0]?.value)
      const submission = service.submitted.at(-1)
      assert.strictEqual(submission?.key, http["idempotency-key"] ?? own[0]?.[1])
      assert.strictEqual(submission?.dryRun, http["dry-run"] === "true")
    })
  }

  it("a key sent twice over HTTP is refused", async () => {
    const { error } = await rawCall([`Authorization: Bearer ${app}`, "Idempotency-Key: a", "Idempotency-Key: a"])
    assert.strictEqual(error?.field, "Idempotency-Key")
  })

  it("two Authorization headers are no token, whichever is good", async () => {
    const { error } = await rawCall([`Authorization: Bearer ${app}`, "Authorization: Bearer x.y.z"])
    assert.strictEqual(error?._tag, "Unauthorized")
  })

  it("as HTTP headers count for no request with more than one call", async () => {
    const both = [
      { id: 1, tag: "Operation.Open", payload: open, headers: [["idempotency-key", "a"]] },
      { id: 2, tag: "Operation.Open", payload: open }
    ]
    const headers = { authorization: `Bearer ${app}`, "idempotency-key": "a" }
    const { ended } = await post(service, JSON.stringify(both), headers)
    assert.deepStrictEqual(
      ended.map((it) => it.error?.field),
      ["Idempotency-Key", "Idempotency-Key"]
    )
  })

  it("in the call never stand in for the token", async () => {
    const body = JSON.stringify({ ...balance, headers: [["authorization", `Bearer ${app}`]] })
    assert.strictEqual((await post(service, body)).ended[0]?.error?._tag, "Unauthorized")
    const other = await tokenFor({ role: "app", subject: "other" })
    const { ended } = await post(
      service,
      JSON.stringify({
        tag: "Operation.Open",
        payload: open,
        headers: { authorization: `Bearer ${other}`, "idempotency-key": "z" }
      }),
      { authorization: `Bearer ${app}` }
    )
    assert.isDefined(ended[0]?.value)
    assert.strictEqual(service.submitted.at(-1)?.caller.merchantId, "acme")
  })

  /** Sends a command with these header lines as they are. */
  const rawCall = (lines: ReadonlyArray<string>) =>
    new Promise<{ readonly error: Readonly<Record<string, unknown>> | undefined }>((resolve, reject) => {
      const body = JSON.stringify({ tag: "Operation.Open", payload: open })
      const socket = connect(service.port, "127.0.0.1", () => {
        const head = ["POST /rpc HTTP/1.1", "Host: x", "Connection: close", `Content-Length: ${body.length}`, ...lines]
        socket.write(`${head.join("\r\n")}\r\n\r\n${body}`)
      })
      let text = ""
      socket.on("data", (chunk) => {
        text += chunk.toString()
      })
      socket.on("error", reject)
      socket.on("end", () => {
        const [answer] = JSON.parse(text.slice(text.indexOf("[")).replace(/\r\n0\r\n\r\n$/, ""))
        resolve({ error: answer.exit.cause?.[0]?.error })
      })
    })
})

describe("too many calls at once", () => {
  it("are told to come again, and the others are answered", async () => {
    const released = Promise.withResolvers<void>()
    const busy = Promise.withResolvers<void>()
    const narrow = await startTestService({
      environment: { MAX_CALLS_IN_FLIGHT: "2" },
      submit: () => {
        if (narrow.submitted.length === 2) busy.resolve()
        return Effect.as(
          Effect.promise(() => released.promise),
          succeeded({})
        )
      }
    })
    const body = [1, 2, 3].map((id) => ({
      id,
      tag: "Operation.Open",
      payload: { userId: "u", operationTypeCode: "a" },
      headers: [["idempotency-key", `k${id}`]]
    }))
    const answering = post(narrow, JSON.stringify(body), { authorization: `Bearer ${app}` })
    await busy.promise
    const { error } = await call(narrow, "GetUserBalance", { userId: "u" }, { token: app })
    assert.deepStrictEqual(error, { _tag: "RateLimited", retryAfterSeconds: 1 })
    released.resolve()
    const { ended } = await answering
    assert.deepStrictEqual(ended.map((it) => it.error?._tag ?? it.requestId).toSorted(), [1, 2, "RateLimited"])
    await narrow.close()
  })
})
