import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { addSampleCatalog } from "@credit/server/catalog/SampleCatalog"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase } from "../../../../test/utils/Postgres.ts"
import { type FaultyNetwork, makeFaultyNetwork } from "../utils/FaultyNetwork.ts"
import { runService, spawnScript, startService } from "../utils/ServiceProcess.ts"
import { call, SECRET, tokenFor } from "../utils/TestService.ts"

const tokenScript = fileURLToPath(import.meta.resolve("@credit/server/access/token-cli"))

describe("the service as a process", () => {
  let database: MerchantDatabase
  let network: FaultyNetwork
  beforeAll(async () => {
    const admin = new URL(inject("adminUrl"))
    network = await makeFaultyNetwork({ host: admin.hostname, port: Number(admin.port) })
    database = await createMerchantDatabase(inject("adminUrl"), { merchantId: "acme" })
    await Effect.runPromise(
      Effect.scoped(Effect.flatMap(PgConnection.make({ url: Redacted.make(database.ownerUrl) }), addSampleCatalog))
    )
  })
  afterAll(async () => {
    await network.close()
    await database.drop()
  })

  const environment = () => ({ JWT_SECRET: SECRET, MERCHANT_ACME_DATABASE_URL: network.urlOf(database.runtimeUrl) })

  it("gives credits, tells the balance, repeats itself for the same key, and ends with 0 when told to", async () => {
    const service = await startService(environment())
    const made = await spawnScript(tokenScript, { JWT_SECRET: SECRET }, "--role", "app", "--merchant", "acme").ended
    assert.strictEqual(made.code, 0)
    const token = made.stdout.trim()
    const grant = () =>
      call(
        service,
        "Grant.Apply",
        { userId: "u1", grant: { type: "welcome" } },
        { token, headers: { "idempotency-key": "welcome-u1" } }
      )
    const first = await grant()
    assert.include(first.value?.userBalance, { balance: 20 })
    assert.include(first.value?.meta, { replayed: false })
    assert.include((await grant()).value?.meta, { replayed: true })
    const { value } = await call(service, "GetUserBalance", { userId: "u1" }, { token })
    assert.strictEqual(value?.available, 20)
    const { error } = await call(
      service,
      "GetOperation",
      { operationId: "0190a6e0-0000-7000-8000-000000000001" },
      { token }
    )
    assert.deepStrictEqual(error, { _tag: "OperationNotFound" })
    const health = await fetch(`${service.url}/health`)
    assert.strictEqual(health.status, 200)

    const told = performance.now()
    const { code, stderr } = await service.stop()
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, "")
    assert.isBelow(performance.now() - told, 5000)
  })

  it("ends in time, and with 0, while a command waits for a database that has gone silent", async () => {
    const service = await startService(environment())
    const token = await tokenFor({ role: "app" })
    const open = (key: string) =>
      call(
        service,
        "Operation.Open",
        { userId: "u2", operationTypeCode: "api_call" },
        { token, headers: { "idempotency-key": key } }
      )
    assert.strictEqual((await open("before")).error?._tag, "InsufficientBalance")
    await network.become("silence")
    const stuck = open("stuck")
    // It is under way once the service has sent something into the silence.
    const sends = network.sends
    while (network.sends === sends) await new Promise((resolve) => setTimeout(resolve, 10))
    const told = performance.now()
    const { code } = await service.stop()
    assert.strictEqual(code, 0)
    assert.isBelow(performance.now() - told, 25_000)
    assert.oneOf((await stuck).error?._tag, ["ServiceUnavailable", "RequestInProgress"])
    await network.become("none")
  })

  it("is cut short, saying so, when its shutdown takes longer than it may", async () => {
    const service = await startService({ ...environment(), SHUTDOWN_DEADLINE: "2 seconds" })
    const token = await tokenFor({ role: "app" })
    const open = (key: string) =>
      call(
        service,
        "Operation.Open",
        { userId: "u3", operationTypeCode: "api_call" },
        { token, headers: { "idempotency-key": key } }
      )
    await open("before-cut")
    await network.become("silence")
    const cut = open("cut").then(
      () => "answered",
      () => "cut"
    )
    const sends = network.sends
    while (network.sends === sends) await new Promise((resolve) => setTimeout(resolve, 10))
    const told = performance.now()
    const { code, stderr } = await service.stop()
    assert.strictEqual(code, 1)
    assert.match(stderr, /took too long/)
    assert.isBelow(performance.now() - told, 2500)
    assert.strictEqual(await cut, "cut")
    await network.become("none")
  })

  it("logs a JSON object a line in production", async () => {
    const service = await startService({ ...environment(), NODE_ENV: "production" })
    const { code, stdout } = await service.stop()
    assert.strictEqual(code, 0)
    for (const line of stdout.trim().split("\n")) assert.property(JSON.parse(line), "message")
  })
})

describe("a service that cannot start", () => {
  const url = "postgres://ada:hunter2@127.0.0.1:1/acme"
  const refused: ReadonlyArray<
    readonly [name: string, environment: Readonly<Record<string, string>>, complaint: RegExp]
  > = [
    ["without a secret", { NODE_ENV: "production", MERCHANT_ACME_DATABASE_URL: url }, /JWT_SECRET is missing/],
    ["with a weak secret", { JWT_SECRET: "hunter2", MERCHANT_ACME_DATABASE_URL: url }, /JWT_SECRET is too short/],
    ["without a merchant", { NODE_ENV: "production", JWT_SECRET: SECRET }, /no merchant has a database/],
    [
      "with two URLs for one merchant",
      { JWT_SECRET: SECRET, MERCHANT_ACME_DATABASE_URL: url, MERCHANT_acme_DATABASE_URL: url },
      /both name the merchant acme/
    ],
    ["with a URL that is none", { JWT_SECRET: SECRET, MERCHANT_ACME_DATABASE_URL: "hunter2" }, /is not a URL/],
    ["with a setting that is none", { JWT_SECRET: SECRET, MERCHANT_ACME_DATABASE_URL: url, PORT: "hunter2" }, /PORT: /]
  ]
  for (const [name, environment, complaint] of refused) {
    it(`says why in one line, and no secret, and ends with 1: ${name}`, async () => {
      const { code, stderr, stdout } = await runService(environment).ended
      assert.strictEqual(code, 1)
      assert.match(stderr, complaint)
      assert.lengthOf(stderr.trim().split("\n"), 1)
      assert.notInclude(stdout + stderr, "hunter2")
    })
  }

  it("says so when its port is taken", async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
    const address = taken.address()
    const port = address === null || typeof address === "string" ? "" : `${address.port}`
    const { code, stderr } = await runService({ JWT_SECRET: SECRET, MERCHANT_ACME_DATABASE_URL: url, PORT: port }).ended
    taken.close()
    assert.strictEqual(code, 1)
    assert.match(stderr, new RegExp(`port.*${port}`))
    assert.lengthOf(stderr.trim().split("\n"), 1)
  })
})
