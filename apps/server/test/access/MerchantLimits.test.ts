import { MerchantLimits } from "@credit/server/access/MerchantLimits"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { call, emptyBalance, startTestService, type TestService, tokenFor } from "../utils/TestService.ts"

describe("what a merchant may have under way", () => {
  it("is bounded, for each by itself", () => {
    const limits = new MerchantLimits(2, 1000)
    assert.deepStrictEqual(
      ["a", "a", "a", "b"].map((merchant) => limits.enter(merchant, 0)),
      [true, true, false, true]
    )
    limits.leave("a")
    assert.isTrue(limits.enter("a", 0))
  })

  it("is bounded per second, and comes back as time goes", () => {
    const limits = new MerchantLimits(1_000_000, 10)
    const entered = (now: number) => {
      let count = 0
      while (limits.enter("a", now)) count += 1
      return count
    }
    assert.strictEqual(entered(0), 10)
    assert.strictEqual(entered(500), 5)
    assert.strictEqual(entered(500), 0)
    assert.strictEqual(entered(1_000_000), 10)
  })

  it("refuses the merchant that has too much, and nobody else", async () => {
    const go = Promise.withResolvers<void>()
    const full = Promise.withResolvers<void>()
    let waiting = 0
    const service: TestService = await startTestService({
      environment: { MERCHANT_CALLS_IN_FLIGHT: "2" },
      getUserBalance: (payload, { merchantId }) => {
        if (merchantId !== "acme") return Effect.succeed(emptyBalance(payload))
        waiting += 1
        if (waiting === 2) full.resolve()
        return Effect.as(
          Effect.promise(() => go.promise),
          emptyBalance(payload)
        )
      }
    })
    const ask = async (subject: string) =>
      call(service, "GetUserBalance", { userId: "u" }, { token: await tokenFor({ role: "app", subject }) })
    const slow = [ask("acme"), ask("acme")]
    await full.promise
    assert.deepStrictEqual((await ask("acme")).error, { _tag: "RateLimited", retryAfterSeconds: 1 })
    assert.isDefined((await ask("other")).value)
    go.resolve()
    for (const asked of slow) assert.isDefined((await asked).value)
    assert.isDefined((await ask("acme")).value)
    await service.close()
  })
})
