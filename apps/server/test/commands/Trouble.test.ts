import { ServiceUnavailable } from "@credit/rpc/Errors"
import { BatchError, loggable } from "@credit/server/commands/BatchError"
import type { EngineDatabase } from "@credit/server/commands/Runner"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { openSession } from "../../../../test/utils/Session.ts"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { at, type Fixture, makeFixture } from "./Fixture.ts"

const manual = (userId: string, credits = 100) => ({
  userId,
  grant: { type: "manual" as const, credits, accessPeriodDays: 10, justification: "trouble" }
})

describe("In trouble the engine", () => {
  let fixture: Fixture
  beforeAll(async () => {
    fixture = await makeFixture(inject("adminUrl"))
  })
  afterAll(() => fixture.close())

  const lotsOf = async (userId: string) => {
    const [row] = await fixture.owner.query("SELECT count(*)::int AS n FROM lots WHERE user_id = $1", [userId])
    return row?.n
  }
  const stateOf = async (key: string) => {
    const rows = await fixture.owner.query("SELECT state FROM idempotency_tracking WHERE idempotency_key = $1", [key])
    return rows[0]?.state
  }

  it("does not let an account that somebody else holds hold up the others", async () => {
    await fixture.run("Grant.Apply", manual("held"), { role: "admin" })
    const other = await openSession(fixture.runtimeUrl)
    await other.query("BEGIN")
    await other.query("SELECT 1 FROM accounts WHERE user_id = 'held' FOR UPDATE")
    const waiting = fixture.run("Grant.Apply", manual("held"), { role: "admin" })
    const free = await Promise.all(
      Array.from({ length: 20 }, (_, index) => fixture.run("Grant.Apply", manual(`free-${index}`), { role: "admin" }))
    )
    expect(free.every(({ value }) => value !== undefined)).toBe(true)
    expect(await Promise.race([waiting, "still waiting"])).toBe("still waiting")
    await other.query("COMMIT")
    expect(at((await waiting).value, "userBalance", "balance")).toBe(200)
    await other.close()
  })

  it("keeps a command that the database refuses from failing its neighbours, and runs it again when it can", async () => {
    await fixture.owner.query(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$`)
    await fixture.owner.query(`CREATE TRIGGER poison BEFORE INSERT ON lots FOR EACH ROW
      WHEN (NEW.user_id = 'poison') EXECUTE FUNCTION refuse_poison()`)
    const users = ["sane-1", "poison", "sane-2", "sane-3"]
    const answers = await Promise.all(
      users.map((userId) => fixture.run("Grant.Apply", manual(userId), { role: "admin", key: `poison-${userId}` }))
    )
    expect(answers.map(({ error, value }) => at(error, "_tag") ?? at(value, "lot", "creditsTotal"))).toEqual([
      100,
      "InternalError",
      100,
      100
    ])
    expect(at(answers[1]?.error, "correlationId")).toMatch(/^[0-9a-f-]{36}$/)
    expect(JSON.stringify(answers[1])).not.toContain("poisoned")
    expect(await stateOf("poison-poison")).toBe("FAILED_RETRIABLE")

    const conflict = await fixture.run("Grant.Apply", manual("poison", 7), { role: "admin", key: "poison-poison" })
    expect(conflict.error).toMatchObject({ _tag: "IntentConflict", fields: ["grant.credits"] })

    await fixture.owner.query("DROP TRIGGER poison ON lots")
    const again = await fixture.run("Grant.Apply", manual("poison"), { role: "admin", key: "poison-poison" })
    expect(again.value).toMatchObject({ lot: { creditsTotal: 100 }, meta: { replayed: false } })
    expect(await stateOf("poison-poison")).toBe("SUCCEEDED")
    expect(await lotsOf("poison")).toBe(1)
  })

  it("logs what the database refused, not the rows that it quotes", async () => {
    const reason = {
      cause: Object.assign(new Error("duplicate key value"), { code: "23505", detail: "Key (external_ref)=(pay-9)" }),
      message: "failed"
    }
    const cause = new SqlError({ reason: new ConnectionError(reason) })
    expect(loggable(new BatchError({ kind: "rerun", committing: false, cause }))).toBe("23505: duplicate key value")
  })

  /** A database whose connections do something else at a transaction's end, as often as told; then it is like any other. */
  const atEnd = (times: number, instead: (connection: PgConnection, end: string) => Effect.Effect<never, SqlError>) => {
    let left = times
    return (database: EngineDatabase): EngineDatabase => ({
      ...database,
      connection: Effect.map(database.connection, (connection) => ({
        ...connection,
        query: (sql, parameters, prepare) => {
          if ((sql !== "COMMIT" && sql !== "ROLLBACK") || left === 0) return connection.query(sql, parameters, prepare)
          left--
          return instead(connection, sql)
        }
      }))
    })
  }
  const lost = new SqlError({
    reason: new ConnectionError({ cause: new Error("cut"), message: "the connection was cut" })
  })

  it("finds out what became of a commit whose answer was lost: it had happened", async () => {
    const worker = await fixture.makeWorker(
      {},
      atEnd(1, (connection) => Effect.andThen(connection.query("COMMIT"), Effect.fail(lost)))
    )
    const answer = await fixture.runOn(worker, "Purchase.Settled", purchaseOf("lucky", "cut-after"), {
      key: "cut-after"
    })
    expect(at(answer.value, "receipt", "externalRef")).toBe("cut-after")
    expect(await lotsOf("lucky")).toBe(1)
  })

  it("finds out what became of a commit whose answer was lost: it had not happened", async () => {
    const worker = await fixture.makeWorker(
      {},
      atEnd(1, (connection) => Effect.andThen(connection.query("ROLLBACK"), Effect.fail(lost)))
    )
    const answer = await fixture.runOn(worker, "Purchase.Settled", purchaseOf("unlucky", "cut-before"), {
      key: "cut-before"
    })
    expect(at(answer.value, "receipt", "externalRef")).toBe("cut-before")
    expect(await lotsOf("unlucky")).toBe(1)
  })

  it("tells a caller to ask again with the same key when every answer is lost, and then tells what happened", async () => {
    const worker = await fixture.makeWorker(
      {},
      atEnd(9, (connection, end) => Effect.andThen(connection.query(end), Effect.fail(lost)))
    )
    const answer = await fixture.runOn(worker, "Grant.Apply", manual("patient"), {
      role: "admin",
      key: "lost-for-long"
    })
    expect(answer.error).toMatchObject({ _tag: "ServiceUnavailable", meta: { replayed: false } })
    const again = await fixture.run("Grant.Apply", manual("patient"), { role: "admin", key: "lost-for-long" })
    expect(again.value).toMatchObject({ lot: { creditsTotal: 100 }, meta: { replayed: true } })
    expect(await lotsOf("patient")).toBe(1)
  })

  it("answers at once when the database cannot be had, and stores nothing", async () => {
    const worker = await fixture.makeWorker({
      database: Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 }))
    })
    const answer = await fixture.runOn(worker, "Grant.Apply", manual("nobody"), { role: "admin", key: "no-database" })
    expect(at(answer.error, "_tag")).toBe("ServiceUnavailable")
    expect(await stateOf("no-database")).toBeUndefined()
  })

  it("makes an account again that it knew and that is gone, as after a restore", async () => {
    const worker = await fixture.makeWorker()
    const unknown = { userId: "restored", grant: { type: "promo" as const, productCode: "none" } }
    await fixture.runOn(worker, "Grant.Apply", unknown, { role: "admin" })
    await fixture.owner.query("ALTER TABLE accounts DISABLE TRIGGER USER")
    await fixture.owner.query("DELETE FROM accounts WHERE user_id = 'restored'")
    await fixture.owner.query("ALTER TABLE accounts ENABLE TRIGGER USER")
    const answer = await fixture.runOn(worker, "Grant.Apply", manual("restored"), { role: "admin" })
    expect(at(answer.value, "userBalance", "balance")).toBe(100)
  })

  it("makes no account for work that a user without one asks for", async () => {
    const refused = await fixture.run("Operation.Open", { userId: "stranger", operationTypeCode: "api_call" })
    expect(refused.error).toMatchObject({ _tag: "InsufficientBalance", available: 0, required: 1 })
    expect(await fixture.owner.query("SELECT 1 FROM accounts WHERE user_id = 'stranger'")).toEqual([])
    const [bought, opened] = await Promise.all([
      fixture.run("Purchase.Settled", purchaseOf("stranger", "strange-1")),
      fixture.run("Operation.Open", { userId: "stranger", operationTypeCode: "api_call", estimatedAmount: "5" })
    ])
    expect(at(bought.value, "userBalance", "balance")).toBe(1000)
    expect(at(opened.value, "operation", "held")).toBe(5)
  })

  it("makes the month that the ledger lacks, and writes", async () => {
    const [month] = await fixture.owner.query("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') AS name")
    const other = await makeFixture(inject("adminUrl"))
    await other.owner.query(`DROP TABLE ledger_entries_${String(month?.name)}`)
    const answer = await other.run("Grant.Apply", manual("newyear"), { role: "admin" })
    expect(at(answer.value, "userBalance", "balance")).toBe(100)
    expect(await faults(other.owner)).toEqual([])
    await other.close()
  })

  it("gives one key that is used for two users at once, through two servers, to one of them", async () => {
    const [one, two] = [await fixture.makeWorker(), await fixture.makeWorker()]
    for (let round = 0; round < 20; round++) {
      const options = { role: "admin", key: `contested-${round}` } as const
      const answers = await Promise.all([
        fixture.runOn(one, "Grant.Apply", manual(`left-${round}`), options),
        fixture.runOn(two, "Grant.Apply", manual(`right-${round}`), options)
      ])
      const tags = answers.map(({ error, value }) => (value === undefined ? at(error, "_tag") : "granted"))
      expect(tags.toSorted()).toEqual(["IntentConflict", "granted"])
    }
    const [row] = await fixture.owner.query(
      "SELECT count(*)::int AS n FROM lots WHERE user_id LIKE 'left-%' OR user_id LIKE 'right-%'"
    )
    expect(row?.n).toBe(20)
  })

  it("gives one payment reference that two keys settle for two users at once to one of them", async () => {
    const [one, two] = [await fixture.makeWorker(), await fixture.makeWorker()]
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all([
        fixture.runOn(one, "Purchase.Settled", purchaseOf(`payer-${round}`, `contested-${round}`)),
        fixture.runOn(two, "Purchase.Settled", purchaseOf(`other-${round}`, `contested-${round}`))
      ])
      const tags = answers.map(({ error, value }) => (value === undefined ? at(error, "_tag") : "settled"))
      expect(tags.toSorted()).toEqual(["IntentConflict", "settled"])
    }
    expect(await faults(fixture.owner)).toEqual([])
  })

  it("refuses what its queue has no room for, and nothing else", async () => {
    const worker = await fixture.makeWorker({ queueBound: 5 })
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        fixture.runOn(worker, "Grant.Apply", manual(`queue-${index}`), { role: "admin" })
      )
    )
    const tags = answers.map(({ error, value }) => (value === undefined ? at(error, "_tag") : "granted"))
    expect(tags).toEqual([...Array(5).fill("granted"), ...Array(3).fill("RateLimited")])
  })

  it("takes no command in maintenance, stores nothing of it, and takes it with the same key afterwards", async () => {
    const set = (status: string) =>
      fixture.owner.query("UPDATE service_status SET status = $1, reason = 'moving house'", [status])
    await set("maintenance")
    const refused = await fixture.run("Grant.Apply", manual("tenant"), { role: "admin", key: "moving" })
    expect(refused.error).toMatchObject({ _tag: "MaintenanceMode", reason: "moving house", retryAfterSeconds: 30 })
    expect(await stateOf("moving")).toBeUndefined()
    await set("ready")
    const granted = await fixture.run("Grant.Apply", manual("tenant"), { role: "admin", key: "moving" })
    expect(granted.value).toMatchObject({ meta: { replayed: false } })
  })

  it("stores nothing of a dry run, and takes no number", async () => {
    const dry = await fixture.run("Purchase.Settled", purchaseOf("dry", "dry-1"), { key: "dry", dryRun: true })
    const number = at(dry.value, "receipt", "receiptNumber")
    expect(await fixture.owner.query("SELECT 1 FROM accounts WHERE user_id = 'dry'")).toEqual([])
    expect(await stateOf("dry")).toBeUndefined()
    const wet = await fixture.run("Purchase.Settled", purchaseOf("dry", "dry-1"), { key: "dry" })
    expect(at(wet.value, "receipt", "receiptNumber")).toBe(number)
  })

  it("leaves one line in the audit log for each decided command of an admin, none for a replay", async () => {
    const options = { role: "admin", key: "audited" } as const
    await fixture.run("Grant.Apply", manual("audited"), options)
    await fixture.run("Grant.Apply", manual("audited"), options)
    await fixture.run(
      "Grant.Apply",
      { userId: "audited", grant: { type: "promo", productCode: "none" } },
      { ...options, key: "audited-2" }
    )
    const rows = await fixture.owner.query(
      "SELECT command, outcome FROM audit_log WHERE idempotency_key LIKE 'audited%' ORDER BY audit_id"
    )
    expect(rows).toEqual([
      { command: "Grant.Apply", outcome: "succeeded" },
      { command: "Grant.Apply", outcome: "GrantUnavailable" }
    ])
  })
})
