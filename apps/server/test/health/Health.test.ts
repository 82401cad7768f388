import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { startTestService, type TestService } from "../utils/TestService.ts"

describe("health", () => {
  let service: TestService
  beforeAll(async () => {
    // Nobody listens where this merchant's database should be.
    service = await startTestService({ environment: { RAILWAY_GIT_COMMIT_SHA: "abc123" }, merchants: ["acme"] })
  })
  afterAll(() => service.close())

  it("is told to anybody, with the version, whatever becomes of a merchant's database", async () => {
    const response = await fetch(`${service.url}/health`)
    assert.strictEqual(response.status, 200)
    assert.deepStrictEqual(await response.json(), { status: "healthy", version: "abc123" })
    assert.strictEqual((await fetch(`${service.url}/health/live`)).status, 200)
  })

  it("is not told to who posts", async () => {
    assert.strictEqual((await fetch(`${service.url}/health`, { method: "POST" })).status, 404)
  })
})
