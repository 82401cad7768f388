import * as Schema from "effect/Schema"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../../test/utils/Postgres.ts"
import { startTestService, type TestService, tokenFor } from "../utils/TestService.ts"

const Named = Schema.Struct({ merchantId: Schema.String, status: Schema.String })
const Counted = Schema.Record(Schema.String, Schema.Int)
const decode = Schema.decodeUnknownSync(
  Schema.Struct({
    status: Schema.String,
    version: Schema.optionalKey(Schema.String),
    merchants: Schema.optionalKey(Schema.Union([Schema.Array(Named), Counted]))
  })
)

const json = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers })
  return { status: response.status, body: decode(await response.json()) }
}

describe("health", () => {
  let database: MerchantDatabase
  let service: TestService
  const health = async (token?: string) =>
    json(`${service.url}/health`, token === undefined ? {} : { authorization: `Bearer ${token}` })
  const ready = (merchant?: string) =>
    json(`${service.url}/health/ready${merchant === undefined ? "" : `?merchant=${merchant}`}`)

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"), { merchantId: "acme" })
    service = await startTestService({
      environment: { RAILWAY_GIT_COMMIT_SHA: "abc123" },
      // Nobody listens where the database of `gone` should be.
      merchants: ["acme", "gone"],
      urls: { acme: database.runtimeUrl }
    })
  })
  afterAll(async () => {
    await service.close()
    await database.drop()
  })

  it("is degraded, and still 200, while one merchant's database does not answer; it names none to strangers", async () => {
    const { body, status } = await health()
    assert.strictEqual(status, 200)
    assert.strictEqual(body.status, "degraded")
    assert.strictEqual(body.version, "abc123")
    assert.deepStrictEqual(body.merchants, { known: 2, healthy: 1, unhealthy: 1, maintenance: 0 })
    assert.notInclude(JSON.stringify(body), "acme")
  })

  it("names all merchants to an operator, an admin's own to the admin, and none to an app", async () => {
    const merchants = async (request: Parameters<typeof tokenFor>[0]) =>
      (await health(await tokenFor(request))).body.merchants
    const acme = { merchantId: "acme", status: "healthy" }
    assert.deepStrictEqual(await merchants({ role: "operator" }), [acme, { merchantId: "gone", status: "unhealthy" }])
    assert.deepStrictEqual(await merchants({ role: "admin" }), [acme])
    assert.deepStrictEqual(await merchants({ role: "app" }), { known: 2, healthy: 1, unhealthy: 1, maintenance: 0 })
  })

  it("is live and ready whatever becomes of a merchant", async () => {
    assert.deepStrictEqual(await json(`${service.url}/health/live`), { status: 200, body: { status: "live" } })
    assert.deepStrictEqual(await ready(), { status: 200, body: { status: "ready" } })
  })

  it("says of one merchant whether it takes commands, and of one there is none of what it says of one that is down", async () => {
    assert.strictEqual((await ready("acme")).status, 200)
    const down = await ready("gone")
    assert.strictEqual(down.status, 503)
    assert.deepStrictEqual(await ready("nobody"), down)
    assert.deepStrictEqual(await ready("not%20an%20id"), down)
    const owner = await openSession(database.ownerUrl)
    try {
      await owner.query("UPDATE service_status SET status = 'maintenance', reason = 'moving house'")
      assert.deepStrictEqual(await ready("acme"), { status: 503, body: { status: "maintenance" } })
      await owner.query("UPDATE service_status SET status = 'ready', reason = NULL")
      assert.strictEqual((await ready("acme")).status, 200)
    } finally {
      await owner.close()
    }
  })

  it("is not told to who posts", async () => {
    assert.strictEqual((await fetch(`${service.url}/health`, { method: "POST" })).status, 404)
  })
})
