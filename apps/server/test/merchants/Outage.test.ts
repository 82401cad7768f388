import { MerchantId } from "@credit/domain/Ids"
import * as Effect from "effect/Effect"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../../test/utils/Postgres.ts"
import { eventually, openDatabases, type TestDatabases, timed, urlsOf } from "../utils/Databases.ts"
import { type FaultyNetwork, makeFaultyNetwork } from "../utils/FaultyNetwork.ts"

const acme = MerchantId.make("acme")
const other = MerchantId.make("other")

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)
const tagOf = (result: { readonly _tag: string; readonly failure?: unknown }): string => {
  const failure = result.failure
  return typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : result._tag
}

describe("a database that fails", () => {
  let acmeDatabase: MerchantDatabase
  let otherDatabase: MerchantDatabase
  let network: FaultyNetwork
  beforeAll(async () => {
    const admin = new URL(inject("adminUrl"))
    network = await makeFaultyNetwork({ host: admin.hostname, port: Number(admin.port) })
    acmeDatabase = await createMerchantDatabase(inject("adminUrl"), { merchantId: acme })
    otherDatabase = await createMerchantDatabase(inject("adminUrl"), { merchantId: other })
  })
  afterAll(async () => {
    await network.close()
    await acmeDatabase.drop()
    await otherDatabase.drop()
  })

  const withDatabases = async (
    environment: Readonly<Record<string, string>>,
    test: (context: TestDatabases) => Promise<void>
  ) => {
    const context = await openDatabases(
      [urlsOf(acme, network.urlOf(acmeDatabase.runtimeUrl)), urlsOf(other, otherDatabase.runtimeUrl)],
      environment
    )
    try {
      await test(context)
    } finally {
      await network.become("none")
      await context.close()
    }
  }

  const ask = ({ databases }: TestDatabases, merchant = acme) =>
    timed(Effect.flatMap(databases.get(merchant), (database) => database.query("SELECT 1 AS one")))

  const isBack = (context: TestDatabases) =>
    eventually("the database is back", async () => (await ask(context)).result._tag === "Success")

  it("by refusing fails its callers at once, and is back by itself", () =>
    withDatabases({}, async (context) => {
      assert.strictEqual((await ask(context)).result._tag, "Success")
      await network.become("refusal")
      for (let time = 0; time < 5; time++) {
        const { milliseconds, result } = await ask(context)
        assert.strictEqual(tagOf(result), "ServiceUnavailable")
        assert.isBelow(milliseconds, 1000)
      }
      await network.become("none")
      await isBack(context)
      await eventually("the log tells when it went and when it was back", () =>
        /is down.*is back after/s.test(context.logged.join("\n"))
      )
    }))

  it("by refusing from the start does no more", () =>
    withDatabases({}, async (context) => {
      await network.become("refusal")
      assert.isBelow((await ask(context)).milliseconds, 1000)
      assert.isBelow((await ask(context)).milliseconds, 100)
      await network.become("none")
      await isBack(context)
    }))

  it("by silence from the start keeps callers no longer than the acquire timeout, and soon not at all", () =>
    withDatabases({}, async (context) => {
      await network.become("silence")
      const first = await Promise.all(Array.from({ length: 30 }, () => ask(context)))
      for (const { milliseconds, result } of first) {
        assert.strictEqual(tagOf(result), "ServiceUnavailable")
        assert.isBelow(milliseconds, 2000)
      }
      await eventually("callers are refused at once", async () => (await ask(context)).milliseconds < 50)
      await network.become("none")
      await isBack(context)
    }))

  it("by silence in the middle of a query fails that within seconds, and the next at once", () =>
    withDatabases({}, async (context) => {
      await Promise.all(Array.from({ length: 8 }, () => ask(context)))
      await network.become("silence")
      const hung = await Promise.all(Array.from({ length: 20 }, () => ask(context)))
      for (const { milliseconds, result } of hung) {
        assert.strictEqual(tagOf(result), "ServiceUnavailable")
        assert.isBelow(milliseconds, 6000)
      }
      const next = await ask(context)
      assert.strictEqual(tagOf(next.result), "ServiceUnavailable")
      assert.isBelow(next.milliseconds, 100)
      await network.become("none")
      await isBack(context)
    }))

  it("by silence in the middle of a transaction lets go of who holds the connection", () =>
    withDatabases({}, async (context) => {
      const database = await run(context.databases.get(acme))
      const { milliseconds, result } = await timed(
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* database.connection
            yield* connection.query("BEGIN")
            yield* Effect.promise(() => network.become("silence"))
            yield* connection.query("COMMIT")
          })
        )
      )
      assert.strictEqual(tagOf(result), "SqlError")
      assert.isBelow(milliseconds, 6000)
      assert.strictEqual(database.status.state, "down")
    }))

  it("leaves other merchants alone", () =>
    withDatabases({ TOTAL_POOL_SIZE: "12" }, async (context) => {
      await ask(context)
      await ask(context, other)
      for (const fault of ["silence", "refusal"] as const) {
        await network.become(fault)
        const trouble = Promise.all(Array.from({ length: 40 }, () => ask(context)))
        let worst = 0
        let asked = 0
        let over = false
        void trouble.then(() => {
          over = true
        })
        while (!over) {
          const { milliseconds, result } = await ask(context, other)
          assert.strictEqual(result._tag, "Success")
          worst = Math.max(worst, milliseconds)
          asked += 1
        }
        assert.isAtLeast(asked, 1)
        assert.isBelow(worst, 500)
        await network.become("none")
        await isBack(context)
      }
    }))

  it("by losing its connections fails what is on them, and nothing after", () =>
    withDatabases({}, async (context) => {
      const database = await run(context.databases.get(acme))
      const hung = timed(database.query("SELECT pg_sleep(10)"))
      await eventually("the query is under way", () => database.status.inUse === 1)
      network.cut()
      assert.strictEqual(tagOf((await hung).result), "ServiceUnavailable")
      assert.strictEqual((await ask(context)).result._tag, "Success")
      assert.strictEqual(database.status.state, "open")
    }))

  it("by an administrator's hand fails what is under way, and nothing after", () =>
    withDatabases({}, async (context) => {
      const database = await run(context.databases.get(acme))
      const admin = await openSession(acmeDatabase.adminUrl)
      const hung = timed(database.query("SELECT pg_sleep(10)"))
      await eventually("the query is under way", () => database.status.inUse === 1)
      await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'credit-service' AND datname = current_database()"
      )
      assert.strictEqual(tagOf((await hung).result), "ServiceUnavailable")
      assert.strictEqual((await ask(context)).result._tag, "Success")
      await admin.close()
    }))

  it("is not thought dead for a query that takes its time", () =>
    withDatabases({}, async (context) => {
      const database = await run(context.databases.get(acme))
      const slow = await timed(database.query("SELECT pg_sleep(4)"))
      assert.strictEqual(slow.result._tag, "Success")
      assert.strictEqual(database.status.state, "open")
      assert.notInclude(context.logged.join(), "is down")
    }))

  it("is not thought dead when its pool is busy", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "1", DATABASE_ACQUIRE_TIMEOUT: "100 millis" }, async (context) => {
      const database = await run(context.databases.get(acme))
      const slow = timed(database.query("SELECT pg_sleep(3)"))
      for (let time = 0; time < 10; time++) {
        assert.strictEqual(tagOf((await timed(database.query("SELECT 1"))).result), "ServiceUnavailable")
      }
      assert.strictEqual((await slow).result._tag, "Success")
      assert.strictEqual(database.status.state, "open")
    }))

  it("keeps nothing when the service ends in the middle of its trouble", async () => {
    const context = await openDatabases([urlsOf(acme, network.urlOf(acmeDatabase.runtimeUrl))])
    await ask(context)
    await network.become("silence")
    const hung = ask(context)
    await eventually("the query is under way", () => context.databases.status()[0]?.inUse === 1)
    const { milliseconds } = await timed(Effect.promise(() => context.close()))
    assert.isBelow(milliseconds, 5000)
    assert.strictEqual(tagOf((await hung).result), "ServiceUnavailable")
    assert.strictEqual(context.databases.connections().used, 0)
    await network.become("none")
  })
})
