import { createServer, type Server } from "node:http"
import { signToken } from "@credit/server/access/signToken"
import { TokenCache } from "@credit/server/access/TokenCache"
import type { TokenClaims } from "@credit/server/access/TokenClaims"
import { Tokens } from "@credit/server/access/Tokens"
import { Settings } from "@credit/server/config/Settings"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const NEW = "the secret that signs since the last rotation"
const OLD = "the secret that signed before the last rotation"
const issuer = { issuer: "credit-service", audience: "credit-ledger-api" }
const sign = (secret: string, more: { readonly issuedAt?: number; readonly tokenId?: string } = {}) =>
  Effect.runPromise(
    signToken({ role: "app", subject: "acme", ttlSeconds: 600, ...more }, { secret: Redacted.make(secret), ...issuer })
  )

const authenticate = (authorization: string, environment: Readonly<Record<string, string>>) =>
  Effect.runPromise(
    Effect.flatMap(Tokens, (tokens) => Effect.result(tokens.authenticate(authorization))).pipe(
      Effect.provide(
        Tokens.layer.pipe(
          Layer.provide(Settings.layer),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment })))
        )
      )
    )
  )

describe("tokens", () => {
  it("signed before the last rotation of the secret are good, and none signed with the one before", async () => {
    const rotated = { JWT_SECRET: NEW, JWT_SECRET_PREVIOUS: OLD }
    assert.strictEqual((await authenticate(`Bearer ${await sign(NEW)}`, rotated))._tag, "Success")
    assert.strictEqual((await authenticate(`Bearer ${await sign(OLD)}`, rotated))._tag, "Success")
    assert.strictEqual((await authenticate(`Bearer ${await sign(OLD)}`, { JWT_SECRET: NEW }))._tag, "Failure")
  })

  it("of the same request are the same token, so that a replay can sign it again", async () => {
    const fixed = { issuedAt: 1_700_000_000, tokenId: "t-1" }
    assert.strictEqual(await sign(NEW, fixed), await sign(NEW, fixed))
  })

  it("that many calls bring for the first time at once are all let in", async () => {
    const token = await sign(NEW)
    const together = Effect.flatMap(Tokens, (tokens) =>
      Effect.all(
        Array.from({ length: 50 }, () => tokens.authenticate(`Bearer ${token}`)),
        { concurrency: "unbounded" }
      )
    )
    const layer = Tokens.layer.pipe(
      Layer.provide(Settings.layer),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { JWT_SECRET: NEW } })))
    )
    assert.lengthOf(await Effect.runPromise(Effect.provide(together, layer)), 50)
  })
})

describe("the memory of verified tokens", () => {
  const claims = (expiresAt: number): TokenClaims => ({
    role: "app",
    subject: "acme",
    merchantId: undefined,
    userId: undefined,
    tokenId: "t",
    issuedAt: 0,
    expiresAt
  })

  it("forgets the one unused for longest when it is full", () => {
    const cache = new TokenCache(2)
    cache.set("a", claims(100))
    cache.set("b", claims(100))
    assert.isDefined(cache.get("a", 1))
    cache.set("c", claims(100))
    assert.isUndefined(cache.get("b", 1))
    assert.isDefined(cache.get("a", 1))
    assert.isDefined(cache.get("c", 1))
    assert.strictEqual(cache.size, 2)
  })

  it("forgets a token when it expires", () => {
    const cache = new TokenCache(2)
    cache.set("a", claims(100))
    assert.isUndefined(cache.get("a", 100))
    assert.strictEqual(cache.size, 0)
  })
})

describe("with an identity provider's keys", () => {
  let provider: Server
  let environment: Readonly<Record<string, string>>
  let mode: "good" | "error" | "silent" = "good"
  let token: string
  let stranger: string
  beforeAll(async () => {
    const ours = await generateKeyPair("ES256")
    const theirs = await generateKeyPair("ES256")
    const keys = JSON.stringify({
      keys: [{ ...(await exportJWK(ours.publicKey)), kid: "k1", alg: "ES256", use: "sig" }]
    })
    provider = createServer((_, response) => {
      if (mode === "good") response.setHeader("content-type", "application/json").end(keys)
      if (mode === "error") response.writeHead(503).end("no")
    })
    await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve))
    const address = provider.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    environment = { JWT_JWKS_URL: `http://127.0.0.1:${address.port}/jwks` }
    const signed = (key: Parameters<SignJWT["sign"]>[0]) =>
      new SignJWT({ role: "app", jti: "t" })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .setIssuer(issuer.issuer)
        .setAudience(issuer.audience)
        .setSubject("acme")
        .setIssuedAt()
        .setExpirationTime("10m")
        .sign(key)
    token = await signed(ours.privateKey)
    stranger = await signed(theirs.privateKey)
  })
  afterAll(() => {
    provider.closeAllConnections()
    provider.close()
  })

  it("its tokens are good, and nobody else's", async () => {
    assert.strictEqual((await authenticate(`Bearer ${token}`, environment))._tag, "Success")
    assert.strictEqual((await authenticate(`Bearer ${stranger}`, environment))._tag, "Failure")
    const shared = await sign(NEW)
    assert.strictEqual((await authenticate(`Bearer ${shared}`, environment))._tag, "Failure")
  })

  for (const trouble of ["error", "silent"] as const) {
    it(`a provider that does not give its keys (${trouble}) is the service's trouble, not the token's`, async () => {
      mode = trouble
      const result = await authenticate(`Bearer ${token}`, environment)
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "", "ServiceUnavailable")
    })
  }
})
