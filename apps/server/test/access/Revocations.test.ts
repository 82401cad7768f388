import { MerchantId } from "@credit/domain/Ids"
import { ServiceUnavailable } from "@credit/rpc/Errors"
import { make } from "@credit/server/access/Revocations"
import type { RevocationRows } from "@credit/server/access/RevokedTokens"
import type { TokenClaims } from "@credit/server/access/TokenClaims"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"

const acme = MerchantId.make("acme")
const other = MerchantId.make("other")

const claims = (more: Partial<TokenClaims> = {}): TokenClaims => ({
  role: "app",
  subject: "acme",
  merchantId: acme,
  userId: undefined,
  tokenId: "t-1",
  issuedAt: 1000,
  expiresAt: 2000,
  ...more
})

/** Revocations that are read as the test says, at times that the test says. */
const revocations = () => {
  const world = {
    now: 0,
    rows: { jtis: [], before: {} } as RevocationRows | "down",
    reads: 0,
    /** The one merchant whose database has the rows. */
    of: acme
  }
  const service = make({
    read: (merchantId) =>
      Effect.suspend(() => {
        world.reads += 1
        return world.rows === "down"
          ? Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 }))
          : Effect.succeed(merchantId === world.of ? world.rows : { jtis: [], before: {} })
      }),
    named: () => [acme, other],
    refreshMillis: 1000,
    now: () => world.now,
    fork: Effect.runFork
  })
  const check = (token: TokenClaims, merchantId: MerchantId | "none" = acme) =>
    Effect.runPromise(Effect.result(service.check(token, merchantId === "none" ? undefined : merchantId))).then((it) =>
      it._tag === "Success" ? "let in" : it.failure._tag
    )
  return { world, service, check }
}

describe("What was revoked", () => {
  it("is read once for all who ask, and again when it is getting old", async () => {
    const { check, world } = revocations()
    assert.deepStrictEqual(await Promise.all([check(claims()), check(claims()), check(claims())]), [
      "let in",
      "let in",
      "let in"
    ])
    assert.strictEqual(world.reads, 1)
    world.rows = { jtis: ["t-1"], before: {} }
    world.now = 1001
    // This one is decided by what was read last, and has it read again.
    assert.strictEqual(await check(claims()), "let in")
    assert.strictEqual(await check(claims()), "Unauthorized")
    assert.strictEqual(world.reads, 2)
  })

  it("decides for a while although the database is down, and then nothing is let in", async () => {
    const { check, world } = revocations()
    world.rows = { jtis: ["t-2"], before: {} }
    await check(claims())
    world.rows = "down"
    world.now = 3000
    assert.strictEqual(await check(claims()), "let in")
    assert.strictEqual(await check(claims({ tokenId: "t-2" })), "Unauthorized")
    world.now = 3001
    assert.strictEqual(await check(claims()), "ServiceUnavailable")
    world.rows = { jtis: [], before: {} }
    assert.strictEqual(await check(claims()), "let in")
  })

  it("here is in force at once", async () => {
    const { check, service, world } = revocations()
    await check(claims())
    world.rows = { jtis: ["t-1"], before: {} }
    service.changed(acme)
    assert.strictEqual(await check(claims()), "Unauthorized")
  })

  it("by issue time means older tokens; of all roles the merchant's own, an operator's only by name", async () => {
    const { check, service, world } = revocations()
    world.rows = { jtis: [], before: { all: 1_000_001 } }
    assert.strictEqual(await check(claims({ issuedAt: 1000 })), "Unauthorized")
    assert.strictEqual(await check(claims({ issuedAt: 1001 })), "let in")
    assert.strictEqual(await check(claims({ role: "operator" })), "let in")
    world.rows = { jtis: [], before: { operator: 1_000_001, all: 0 } }
    service.changed(acme)
    assert.strictEqual(await check(claims({ role: "operator" })), "Unauthorized")
    assert.strictEqual(await check(claims()), "let in")
  })

  it("anywhere counts for what is about no merchant; a database that cannot be asked keeps nobody out", async () => {
    const { check, world } = revocations()
    world.rows = { jtis: ["t-1"], before: {} }
    world.of = other
    assert.strictEqual(await check(claims({ role: "operator" }), "none"), "Unauthorized")
    assert.strictEqual(await check(claims({ role: "operator" }), acme), "let in")
    const down = revocations()
    down.world.rows = "down"
    assert.strictEqual(await down.check(claims({ role: "operator" }), "none"), "let in")
  })
})
