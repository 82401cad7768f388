import { Kind, RequiredRole, type Role } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import { ContractInvalid, serveContract } from "@credit/server/http/Contract"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { call, startTestService, type TestService, tokenFor } from "../utils/TestService.ts"

const roles = ["user", "app", "admin", "operator"] as const satisfies ReadonlyArray<Role>

describe("who may call what", () => {
  let service: TestService
  beforeAll(async () => {
    service = await startTestService()
  })
  afterAll(() => service.close())

  const tokenOf = (role: Role) => tokenFor(role === "user" ? { role, userId: "u1" } : { role })
  const headersOf = (role: Role): Record<string, string> => (role === "operator" ? { "x-merchant-id": "acme" } : {})

  for (const rpc of Api.requests.values()) {
    for (const role of roles) {
      const required = Context.getOrUndefined(rpc.annotations, RequiredRole) ?? "operator"
      const allowed = roles.indexOf(role) >= roles.indexOf(required)
      it(`${rpc._tag} is ${allowed ? "open" : "closed"} to ${role}`, async () => {
        // A payload that is no RPC's: who is let in is told so, and that alone.
        const headers = { ...headersOf(role), "content-type": "application/x-ndjson" }
        const { error } = await call(service, rpc._tag, null, { token: await tokenOf(role), headers })
        if (allowed) assert.strictEqual(error?._tag, "InvalidRequest")
        else assert.deepStrictEqual(error, { _tag: "Forbidden", requiredRole: required })
      })
    }
  }

  it("by a command's key an explanation is open to app and above, by any other id to users too", async () => {
    const asked = { commandType: "Operation.Open", idempotencyKey: "k" }
    for (const [payload, requiredRole] of [
      [asked, "app"],
      [{ commandType: 1 }, "app"],
      [{ lotId: "x" }, undefined]
    ] as const) {
      const { error } = await call(service, "Explain", payload, { token: await tokenOf("user") })
      assert.strictEqual(error?.requiredRole, requiredRole)
    }
  })

  for (const rpc of Api.requests.values()) {
    const required = Context.getOrUndefined(rpc.annotations, RequiredRole)
    if (required !== "user") continue
    it(`${rpc._tag} tells a user nothing of another user by their id`, async () => {
      const { error } = await call(service, rpc._tag, { userId: "u2" }, { token: await tokenOf("user") })
      assert.deepStrictEqual(error, { _tag: "Forbidden", requiredRole: "app" })
    })
  }

  const grants = [
    { type: "welcome", least: "app" },
    { type: "promo", productCode: "launch", least: "admin" },
    { type: "manual", credits: 5, accessPeriodDays: 5, justification: "x", least: "admin" }
  ] as const
  for (const { least, ...grant } of grants) {
    for (const role of roles) {
      const allowed = roles.indexOf(role) >= roles.indexOf(least)
      it(`a ${grant.type} grant is ${allowed ? "open" : "closed"} to ${role}`, async () => {
        const { error, value } = await call(
          service,
          "Grant.Apply",
          { userId: "u1", grant },
          { token: await tokenOf(role), headers: { ...headersOf(role), "idempotency-key": `${grant.type}-${role}` } }
        )
        if (allowed) assert.isDefined(value)
        else assert.deepStrictEqual(error, { _tag: "Forbidden", requiredRole: least })
      })
    }
  }

  const ask = async (token: Promise<string>, merchant?: string, payload: unknown = { userId: "u1" }) =>
    call(service, "GetUserBalance", payload, {
      token: await token,
      headers: merchant === undefined ? {} : { "x-merchant-id": merchant }
    })

  it("an operator names the merchant", async () => {
    assert.deepStrictEqual((await ask(tokenFor({ role: "operator" }))).error?.field, "X-Merchant-Id")
    assert.isDefined((await ask(tokenFor({ role: "operator" }), "other")).value)
    assert.strictEqual((await ask(tokenFor({ role: "operator" }), "no-such")).error?._tag, "MerchantUnknown")
  })

  it("everybody else may name their own, and no other, whether there is one or not", async () => {
    assert.isDefined((await ask(tokenFor({ role: "app" }), "acme")).value)
    for (const merchant of ["other", "no-such"]) {
      const { error } = await ask(tokenFor({ role: "admin" }), merchant)
      assert.deepStrictEqual(error, { _tag: "Forbidden", requiredRole: "operator" })
    }
  })

  it("a token for a merchant that is not served finds none", async () => {
    assert.strictEqual((await ask(tokenFor({ role: "app", subject: "no-such" }))).error?._tag, "MerchantUnknown")
  })

  it("a user's token asks about that user alone", async () => {
    const token = tokenFor({ role: "user", userId: "u1" })
    assert.strictEqual((await ask(token)).value?.userId, "u1")
    for (const payload of [{ userId: "u2" }, { userId: "U1" }, { userId: ["u1"] }, { userId: null }]) {
      assert.deepStrictEqual((await ask(token, undefined, payload)).error, { _tag: "Forbidden", requiredRole: "app" })
    }
  })
})

describe("the contract", () => {
  it("says of each RPC who may call it and whether it writes", async () => {
    const served = await Effect.runPromise(serveContract(Api))
    assert.strictEqual(served.size, Api.requests.size)
  })

  it("is not served when it does not", async () => {
    const bare = Rpc.make("Bare")
    const half = Rpc.make("Half").annotate(RequiredRole, "app")
    const other = Rpc.make("Other").annotate(Kind, "query")
    const failure = await Effect.runPromise(Effect.flip(serveContract(RpcGroup.make(bare, half, other))))
    assert.instanceOf(failure, ContractInvalid)
    assert.deepStrictEqual(failure.problems, [
      "Bare does not say whether it is a command or a query",
      "Bare does not say who may call it",
      "Half does not say whether it is a command or a query",
      "Other does not say who may call it"
    ])
  })
})
