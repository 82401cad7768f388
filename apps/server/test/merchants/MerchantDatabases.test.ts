import { MerchantId } from "@credit/domain/Ids"
import { loadMigrations } from "@credit/server/migrations/MigrationFile"
import { migrate } from "@credit/server/migrations/Migrations"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../../test/utils/Postgres.ts"
import { eventually, openDatabases, type TestDatabases, timed, urlsOf } from "../utils/Databases.ts"
import { type FaultyNetwork, makeFaultyNetwork } from "../utils/FaultyNetwork.ts"

const acme = MerchantId.make("acme")
const other = MerchantId.make("other")

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

/** Runs a test on the databases of acme (by the network) and other (directly), as the service has them. */
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
    await context.close()
  }
}

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)
const tagOf = (result: { readonly _tag: string; readonly failure?: unknown }): string => {
  const failure = result.failure
  return typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : result._tag
}

describe("a connection to a merchant's database", () => {
  it("sends statements together and has them answered in order, in one transaction", () =>
    withDatabases({}, async ({ databases }) => {
      const program = Effect.gen(function* () {
        const database = yield* databases.get(acme)
        const connection = yield* database.connection
        // The first time each statement is described; from then on it is as it will be.
        yield* connection.query("SELECT 1 AS warm")
        const before = network.sends
        const answers = yield* Effect.all(
          [
            connection.query("BEGIN"),
            connection.query("SELECT set_config('test.step', '1', true) AS step"),
            ...Array.from({ length: 20 }, (_, step) =>
              connection.query(
                "SELECT set_config('test.step', (current_setting('test.step')::integer + 1)::text, true) AS step, $1::integer AS asked, txid_current()::text AS transaction",
                [step]
              )
            ),
            connection.query("COMMIT")
          ],
          { concurrency: "unbounded" }
        )
        assert.isAtMost(network.sends - before, 2)
        const rows = answers.slice(2, 22).map((answer) => answer.rows[0])
        assert.deepStrictEqual(
          rows.map((row) => [row?.step, row?.asked]),
          Array.from({ length: 20 }, (_, step) => [`${step + 2}`, step])
        )
        assert.strictEqual(new Set(rows.map((row) => row?.transaction)).size, 1)
      })
      await run(Effect.scoped(program))
    }))

  it("tells each statement its own end when one of them fails", () =>
    withDatabases({}, async ({ databases }) => {
      const program = Effect.gen(function* () {
        const connection = yield* (yield* databases.get(acme)).connection
        const results = yield* Effect.all(
          ["BEGIN", "SELECT 1", "SELECT 1/0", "SELECT 2", "ROLLBACK", "SELECT 3"].map((sql) =>
            Effect.result(connection.query(sql))
          ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          results.map(({ _tag }) => _tag),
          ["Success", "Success", "Failure", "Failure", "Success", "Success"]
        )
      })
      await run(Effect.scoped(program))
    }))

  it("is lent to one at a time", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "2", DATABASE_ACQUIRE_TIMEOUT: "300 millis" }, async ({ databases }) => {
      const program = Effect.gen(function* () {
        const database = yield* databases.get(acme)
        const [first, second] = [yield* database.connection, yield* database.connection]
        assert.notStrictEqual(first.processId, second.processId)
        const third = yield* Effect.promise(() => timed(Effect.scoped(database.connection)))
        assert.strictEqual(tagOf(third.result), "ServiceUnavailable")
        assert.isBelow(third.milliseconds, 1000)
        const read = yield* Effect.promise(() => timed(database.query("SELECT 1")))
        assert.strictEqual(tagOf(read.result), "ServiceUnavailable")
      })
      await run(Effect.scoped(program))
    }))

  it("comes back to the pool, and is used again", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "1" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const process = () => run(Effect.scoped(Effect.map(database.connection, (it) => it.processId)))
      const first = await process()
      assert.strictEqual(await process(), first)
      await run(Effect.flip(Effect.scoped(Effect.andThen(database.connection, Effect.fail("refused")))))
      assert.strictEqual(await process(), first)
    }))

  it("does not come back when it was discarded, or when its user was interrupted", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "1" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const process = () => run(Effect.scoped(Effect.map(database.connection, (it) => it.processId)))
      const first = await process()
      await run(Effect.scoped(Effect.flatMap(database.connection, (connection) => database.discard(connection))))
      const second = await process()
      assert.notStrictEqual(second, first)
      const began = Promise.withResolvers<void>()
      const fiber = Effect.runFork(
        Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* database.connection
            yield* connection.query("BEGIN")
            began.resolve()
            yield* Effect.never
          })
        )
      )
      await began.promise
      await run(Fiber.interrupt(fiber))
      assert.notStrictEqual(await process(), second)
      const [row] = await run(database.query("SELECT pg_current_xact_id_if_assigned() IS NULL AS clean"))
      assert.strictEqual(row?.clean, true)
    }))

  it("has the session's limits, and UTC", () =>
    withDatabases({ DATABASE_STATEMENT_TIMEOUT: "4 seconds" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const [row] = await run(
        database.query(`SELECT current_setting('TimeZone') AS zone, current_setting('statement_timeout') AS statement,
          current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle,
          current_setting('client_connection_check_interval') AS check, current_setting('application_name') AS name`)
      )
      assert.deepStrictEqual(
        { ...row },
        { zone: "UTC", statement: "4s", lock: "3s", idle: "10s", check: "1s", name: "credit-service" }
      )
    }))
})

describe("a query", () => {
  it("that PostgreSQL refuses is told apart from one that it cannot answer now", () =>
    withDatabases({ DATABASE_STATEMENT_TIMEOUT: "200 millis" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      assert.strictEqual(tagOf((await timed(database.query("SELECT nonsense"))).result), "QueryFailed")
      assert.strictEqual(tagOf((await timed(database.query("SELECT pg_sleep(5)"))).result), "ServiceUnavailable")
      assert.strictEqual(database.status.state, "open")
      assert.lengthOf(await run(database.query("SELECT 1")), 1)
    }))

  it("ends on the server when its caller leaves, and holds nobody up", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "1" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const admin = await openSession(acmeDatabase.adminUrl)
      const sleeping = async () =>
        (
          await admin.query(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(3)%' AND state = 'active'"
          )
        ).length > 0
      const fiber = Effect.runFork(database.query("SELECT pg_sleep(3)"))
      await eventually("the query runs", sleeping)
      await run(Fiber.interrupt(fiber))
      const next = await timed(database.query("SELECT 1"))
      assert.strictEqual(next.result._tag, "Success")
      assert.isBelow(next.milliseconds, 900)
      await eventually("the query has ended", async () => !(await sleeping()))
      await admin.close()
    }))

  it("reads JSON that the database made", () =>
    withDatabases({}, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const value = await run(
        database.json<{ readonly a: ReadonlyArray<number> }>(
          "SELECT json_build_object('a', json_build_array(1, $1::integer))::text AS json",
          ["2"]
        )
      )
      assert.deepStrictEqual(value, { a: [1, 2] })
    }))
})

describe("a database is served", () => {
  it("to the merchant whose it is, and to nobody else", async () => {
    const context = await openDatabases([urlsOf(other, acmeDatabase.runtimeUrl)])
    const { result } = await timed(context.databases.get(other))
    assert.strictEqual(tagOf(result), "ServiceUnavailable")
    await eventually("the log says why", () => context.logged.join().includes("the database is the merchant acme's"))
    assert.notInclude(context.logged.join(), new URL(acmeDatabase.runtimeUrl).password)
    await context.close()
  })

  it("once it has this server's newest migration, without anybody's doing", async () => {
    const empty = await createMerchantDatabase(inject("adminUrl"), { merchantId: "late", migrate: false })
    const context = await openDatabases([urlsOf("late", empty.runtimeUrl)])
    const get = context.databases.get(MerchantId.make("late"))
    assert.strictEqual(tagOf((await timed(get)).result), "ServiceUnavailable")
    await eventually("the log says why", () => context.logged.join().includes("not migrated"))
    const files = await run(loadMigrations().pipe(Effect.provide(NodeFileSystem.layer)))
    await run(migrate({ url: Redacted.make(empty.ownerUrl), files }))
    assert.strictEqual(tagOf((await timed(get)).result), "ServiceUnavailable")
    const owner = await openSession(empty.ownerUrl)
    await owner.query("SELECT app.initialise_merchant('late', false)::text")
    await eventually("it is served", async () => (await timed(get)).result._tag === "Success")
    // An older server keeps serving a newer database; a newer one does not serve this.
    await owner.query("ALTER TABLE public.migrations DISABLE TRIGGER USER")
    await owner.query("DELETE FROM public.migrations WHERE id = (SELECT max(id) FROM public.migrations)")
    await owner.close()
    await context.close()
    const newer = await openDatabases([urlsOf("late", empty.runtimeUrl)])
    assert.strictEqual(tagOf((await timed(newer.databases.get(MerchantId.make("late")))).result), "ServiceUnavailable")
    await eventually("the log says why", () => /has migration \d+, this server needs \d+/.test(newer.logged.join()))
    await newer.close()
    await empty.drop()
  })

  it("to no merchant that nobody named and that has no database", async () => {
    const missing = new URL(acmeDatabase.runtimeUrl)
    missing.pathname = "/merchant_nobody"
    const named = await openDatabases([urlsOf("nobody", missing.href)])
    assert.strictEqual(
      tagOf((await timed(named.databases.get(MerchantId.make("nobody")))).result),
      "ServiceUnavailable"
    )
    assert.strictEqual(tagOf((await timed(named.databases.get(acme))).result), "MerchantUnknown")
    await named.close()
    const template = await openDatabases([urlsOf("nobody", missing.href, { fromTemplate: true })])
    for (let time = 0; time < 3; time++) {
      const { milliseconds, result } = await timed(template.databases.get(MerchantId.make("nobody")))
      assert.strictEqual(tagOf(result), "MerchantUnknown")
      assert.isBelow(milliseconds, 1000)
    }
    await template.close()
  })

  it("from where the directory says, also when that changes", async () => {
    const moved = await createMerchantDatabase(inject("adminUrl"), { merchantId: acme })
    const context = await openDatabases([urlsOf(acme, acmeDatabase.runtimeUrl)])
    const name = async () => {
      const database = await run(context.databases.get(acme))
      return (await run(database.query("SELECT current_database() AS name")))[0]?.name
    }
    const first = await name()
    context.directory.add(urlsOf(acme, moved.runtimeUrl))
    assert.notStrictEqual(await name(), first)
    await context.close()
    await moved.drop()
  })
})

describe("the pools", () => {
  it("are bounded each", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "3" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const pids = await run(
        Effect.all(
          Array.from({ length: 60 }, () => database.query("SELECT pg_backend_pid() AS pid, pg_sleep(0.005)")),
          { concurrency: "unbounded" }
        )
      )
      assert.isAtMost(new Set(pids.map(([row]) => row?.pid)).size, 3)
      assert.isAtMost(network.open, 3)
    }))

  it("are bounded in sum: who is idle makes room, who is busy does not", () =>
    withDatabases({ MERCHANT_POOL_SIZE: "4", TOTAL_POOL_SIZE: "4" }, async ({ databases }) => {
      const program = Effect.gen(function* () {
        const [first, second] = [yield* databases.get(acme), yield* databases.get(other)]
        const busy = (database: typeof first, connections: number) =>
          Effect.all(Array.from({ length: connections }, () => database.connection))
        yield* Effect.scoped(busy(first, 3))
        assert.strictEqual(databases.connections().used, 4)
        // Acme's three are idle now, and other asks for four.
        yield* Effect.scoped(busy(second, 4))
        assert.strictEqual(databases.connections().used, 4)
        assert.strictEqual(first.status.connections, 0)
        // And back, and this time somebody keeps them.
        yield* busy(first, 4)
        const refused = yield* Effect.promise(() => timed(second.query("SELECT 1")))
        assert.strictEqual(tagOf(refused.result), "ServiceUnavailable")
        assert.isBelow(refused.milliseconds, 1500)
        assert.strictEqual(second.status.state, "open")
      })
      await run(Effect.scoped(program))
      const after = await timed(Effect.flatMap(databases.get(other), (database) => database.query("SELECT 1")))
      assert.strictEqual(after.result._tag, "Success")
    }))

  it("close when they are idle, not while they are used, and open again", () =>
    withDatabases({ MERCHANT_POOL_IDLE: "300 millis" }, async ({ databases }) => {
      const database = await run(databases.get(acme))
      const held = Promise.withResolvers<void>()
      const using = run(Effect.scoped(Effect.flatMap(database.connection, () => Effect.promise(() => held.promise))))
      const idle = await run(databases.get(other))
      await eventually("the idle pool is closed", () => idle.status.state === "closed")
      assert.strictEqual(database.status.state, "open")
      held.resolve()
      await using
      await eventually("the pool is closed", () => database.status.state === "closed" && network.open === 0)
      assert.lengthOf(await run(database.query("SELECT 1")), 1)
    }))
})
