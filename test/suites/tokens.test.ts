import { randomUUID } from "node:crypto"
import { isCreditError, makeCreditClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"

/** What a promise rejects with, by its tag. */
const refusal = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason
  )
  if (!isCreditError(error)) throw new Error(`was not refused, or strangely: ${String(error)}`)
  return error
}

describe("Tokens that an operator issues and revokes", () => {
  let database: MerchantDatabase
  let other: MerchantDatabase
  let owner: Session
  let services: readonly [Service, Service]
  let operator: ReturnType<typeof makeCreditClient>

  beforeAll(async () => {
    const made = [createMerchantDatabase(inject("adminUrl")), createMerchantDatabase(inject("adminUrl"))] as const
    ;[database, other] = await Promise.all(made)
    owner = await openSession(database.ownerUrl)
    const environment = { REVOCATION_REFRESH: "100 millis", JWT_MAX_AGE: "100 days" }
    services = await Promise.all([
      startService([database, other], environment),
      startService([database, other], environment)
    ])
    operator = makeCreditClient({
      baseUrl: services[0].url,
      token: await tokenFor("operator", "ada"),
      merchantId: database.merchantId
    })
  })
  afterAll(async () => {
    await operator.close()
    await Promise.all(services.map((service) => service.end("SIGTERM")))
    await owner.close()
    await Promise.all([database.drop(), other.drop()])
  })

  const withToken = (token: string, service = services[0], merchantId?: string) =>
    makeCreditClient({
      baseUrl: service.url,
      token,
      retry: false,
      ...(merchantId === undefined ? {} : { merchantId })
    })
  const balance = (token: string, service = services[0], merchantId?: string) =>
    withToken(token, service, merchantId).getUserBalance({ userId: "ann" })
  const audited = (command: string, key: string) =>
    owner.query(
      "SELECT actor, outcome, detail::text AS detail FROM audit_log WHERE command = $1 AND idempotency_key = $2",
      [command, key]
    )

  it("are good, say whose they are, and are the same token when asked for again", async () => {
    const idempotencyKey = randomUUID()
    const payload = { role: "user", merchantId: database.merchantId, userId: "ann", lifetimeSeconds: 900 } as const
    const issued = await operator.token.issue(payload, { idempotencyKey })
    expect(issued).toMatchObject({ role: "user", subject: database.merchantId, userId: "ann" })
    expect(issued.jti).toBe(issued.meta.transactionId)
    expect(Date.parse(issued.expiresAt) - Date.parse(issued.issuedAt)).toBe(900_000)
    expect((await balance(issued.token)).userId).toBe("ann")

    const again = await withToken(await tokenFor("operator", "bob"), services[1]).token.issue(payload, {
      idempotencyKey
    })
    expect(again).toEqual({ ...issued, meta: { ...issued.meta, replayed: true } })
    const rows = await audited("Token.Issue", idempotencyKey)
    expect(rows.map(({ actor, outcome }) => ({ actor, outcome }))).toEqual([{ actor: "ada", outcome: "succeeded" }])
    const stored = await owner.query("SELECT response FROM idempotency_tracking WHERE idempotency_key = $1", [
      idempotencyKey
    ])
    expect(String(stored[0]?.response)).not.toContain(issued.token.split(".")[2])
  })

  it("asked for twenty times at once under one key are one token and one line in the audit log", async () => {
    const idempotencyKey = randomUUID()
    const issued = await Promise.all(
      Array.from({ length: 20 }, () => operator.token.issue({ role: "app" }, { idempotencyKey }))
    )
    expect(new Set(issued.map(({ token }) => token)).size).toBe(1)
    expect(issued.filter(({ meta }) => !meta.replayed)).toHaveLength(1)
    expect(await audited("Token.Issue", idempotencyKey)).toHaveLength(1)
  })

  it("conflict with another token under the same key; a dry run makes none", async () => {
    const idempotencyKey = randomUUID()
    const dry = await operator.token.issue({ role: "app" }, { idempotencyKey, dryRun: true })
    expect(dry.token).toBe("")
    expect(await audited("Token.Issue", idempotencyKey)).toEqual([])
    await operator.token.issue({ role: "app" }, { idempotencyKey })
    const conflict = await refusal(operator.token.issue({ role: "admin" }, { idempotencyKey }))
    expect(conflict).toMatchObject({ _tag: "IntentConflict", fields: ["role"] })
  })

  it.each([
    [{ role: "operator" }, "subject"],
    [{ role: "operator", subject: "ada", merchantId: "acme-1" }, "merchantId"],
    [{ role: "user" }, "userId"],
    [{ role: "app", userId: "ann" }, "userId"],
    [{ role: "app", subject: "somebody" }, "subject"],
    [{ role: "app", lifetimeSeconds: 101 * 24 * 3600 }, "lifetimeSeconds"],
    [{ role: "app", merchantId: "another" }, "merchantId"]
  ] as const)("are refused when their parts do not go together: %j", async (payload, field) => {
    expect(await refusal(operator.token.issue(payload))).toMatchObject({ _tag: "InvalidRequest", field })
  })

  it("of operators name a person, and their issue is kept by the merchant that the header names", async () => {
    const nowhere = withToken(await tokenFor("operator", "ada"))
    expect(await refusal(nowhere.token.issue({ role: "operator", subject: "eve" }))).toMatchObject({
      _tag: "InvalidRequest",
      field: "X-Merchant-Id"
    })
    const idempotencyKey = randomUUID()
    const issued = await operator.token.issue({ role: "operator", subject: "Eve Example" }, { idempotencyKey })
    expect((await balance(issued.token, services[0], other.merchantId)).userId).toBe("ann")
    expect(JSON.parse(String((await audited("Token.Issue", idempotencyKey))[0]?.detail))).toEqual({
      payload: { role: "operator", subject: "Eve Example" },
      made: { jti: issued.jti, role: "operator", subject: "Eve Example" }
    })
  })

  it("that were in use are refused by every server once they are revoked, and nobody else's", async () => {
    const [issued, kept] = [await operator.token.issue({ role: "app" }), await operator.token.issue({ role: "app" })]
    for (const service of services) await balance(issued.token, service)
    const idempotencyKey = randomUUID()
    const revocation = { jti: issued.jti, merchantId: database.merchantId, note: "lost laptop" }
    const revoked = await operator.token.revoke(revocation, { idempotencyKey })
    expect(revoked.merchants).toEqual([{ merchantId: database.merchantId, outcome: "revoked" }])
    expect((await operator.token.revoke(revocation, { idempotencyKey })).meta.replayed).toBe(true)
    expect(await audited("Token.Revoke", idempotencyKey)).toHaveLength(1)
    // The server that was told refuses at once, the other when it has read again.
    expect(await refusal(balance(issued.token))).toMatchObject({ _tag: "Unauthorized" })
    await eventuallyRefused(() => balance(issued.token, services[1]))
    for (const service of services) expect((await balance(kept.token, service)).userId).toBe("ann")
  })

  it("of a role that were issued before an instant are refused, later ones and other roles' not", async () => {
    const admin = await operator.token.issue({ role: "admin" })
    const app = await operator.token.issue({ role: "app" })
    const operatorsOwn = await balance(await tokenFor("operator", "ada"), services[0], database.merchantId)
    expect(operatorsOwn.userId).toBe("ann")
    await operator.token.revoke({
      issuedBefore: new Date(Date.parse(admin.issuedAt) + 1).toISOString(),
      role: "admin",
      merchantId: database.merchantId
    })
    expect(await refusal(balance(admin.token))).toMatchObject({ _tag: "Unauthorized" })
    expect((await balance(app.token)).userId).toBe("ann")
    const ahead = { issuedBefore: new Date(Date.now() + 60_000).toISOString(), role: "admin" } as const
    expect(await refusal(operator.token.revoke(ahead))).toMatchObject({ _tag: "InvalidRequest", field: "issuedBefore" })
    const all = { issuedBefore: new Date().toISOString() }
    expect(await refusal(operator.token.revoke(all))).toMatchObject({ _tag: "InvalidRequest", field: "merchantId" })
  })

  it("of an operator are revoked in every merchant's database, and then open nothing at all", async () => {
    const issued = await operator.token.issue({ role: "operator", subject: "mallory" })
    for (const { merchantId } of [database, other]) await balance(issued.token, services[1], merchantId)
    const revoked = await operator.token.revoke({ jti: issued.jti })
    expect(revoked.merchants.toSorted((a, b) => (a.merchantId < b.merchantId ? -1 : 1))).toEqual(
      [database, other]
        .map(({ merchantId }) => ({ merchantId, outcome: "revoked" }))
        .toSorted((a, b) => (a.merchantId < b.merchantId ? -1 : 1))
    )
    for (const { merchantId } of [database, other]) {
      expect(await refusal(balance(issued.token, services[0], merchantId))).toMatchObject({ _tag: "Unauthorized" })
      await eventuallyRefused(() => balance(issued.token, services[1], merchantId))
    }
    const stillTrying = withToken(issued.token, services[1], database.merchantId)
    expect(await refusal(stillTrying.token.issue({ role: "app" }))).toMatchObject({ _tag: "Unauthorized" })
  })

  it("are for operators to issue and revoke", async () => {
    const admin = withToken(await tokenFor("admin", database.merchantId))
    expect(await refusal(admin.token.issue({ role: "app" }))).toMatchObject({ _tag: "Forbidden" })
    expect(await refusal(admin.token.revoke({ jti: "x" }))).toMatchObject({ _tag: "Forbidden" })
  })

  /** Asks until it is refused; a revocation that never comes into force hangs here. */
  const eventuallyRefused = async (ask: () => Promise<unknown>) => {
    for (;;) {
      const error = await ask().then(
        () => undefined,
        (reason: unknown) => reason
      )
      if (error === undefined) continue
      expect(error).toMatchObject({ _tag: "Unauthorized" })
      return
    }
  }
})
