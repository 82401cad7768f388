import { MerchantId } from "@credit/domain/Ids"
import { serverAddresses } from "@credit/server/merchants/CheckedConnection"
import * as Effect from "effect/Effect"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase } from "../../../../test/utils/Postgres.ts"
import { openDatabases, urlsOf } from "../utils/Databases.ts"

const acme = MerchantId.make("acme")

describe("A merchant's URL with fallbacks", () => {
  let database: MerchantDatabase
  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"), { merchantId: acme })
  })
  afterAll(() => database.drop())

  it("names servers in order, with the first one's port unless they say another", () => {
    const of = (query: string) => serverAddresses(urlsOf(acme, `postgres://u:p@one:5433/acme${query}`))
    assert.deepStrictEqual(of(""), [{ host: "one", port: 5433 }])
    assert.deepStrictEqual(of("?fallback=two,three:6000,[::1]:7000,[::2]"), [
      { host: "one", port: 5433 },
      { host: "two", port: 5433 },
      { host: "three", port: 6000 },
      { host: "::1", port: 7000 },
      { host: "::2", port: 5433 }
    ])
  })

  it("is served by the next server when the first cannot be reached", async () => {
    const url = new URL(database.runtimeUrl)
    url.searchParams.set("fallback", `${url.hostname}:${url.port}`)
    // Nobody listens there.
    url.port = "1"
    const { close, databases } = await openDatabases([urlsOf(acme, url.href)])
    try {
      const answered = await Effect.runPromise(
        Effect.flatMap(databases.get(acme), (it) => it.query("SELECT merchant_id FROM merchant_settings"))
      )
      assert.deepStrictEqual(answered, [{ merchant_id: "acme" }])
    } finally {
      await close()
    }
  })
})
