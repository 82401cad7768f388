import { MerchantId } from "@credit/domain/Ids"
import { InvalidRequest } from "@credit/domain/Refusal"
import { type LeaseLost, procedureOf } from "@credit/server/commands/Procedure"
import { type Lease, type Made, runLeased, runOnce } from "@credit/server/commands/runProcedure"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"

const Answer = Schema.Struct({ made: Schema.Int })
type Answer = typeof Answer.Type

class Broken extends Data.TaggedError("Broken") {}

describe("A command that reaches beyond one transaction", () => {
  let database: MerchantDatabase
  let owner: Session
  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    owner = await openSession(database.ownerUrl)
    await owner.query("CREATE TABLE public.made (n integer)")
    await owner.query("GRANT ALL ON public.made TO credit_runtime")
  })
  afterAll(async () => {
    await owner.close()
    await database.drop()
  })

  const command = (key: string, n = 1, dryRun = false) =>
    procedureOf(
      "Test.Make",
      MerchantId.make(database.merchantId),
      { n },
      { key, dryRun, sender: { role: "operator", subject: "ada", tokenId: "t-1" } },
      Answer
    )
  const session = Effect.suspend(() => PgConnection.make({ url: Redacted.make(database.runtimeUrl) }))
  type Work = (lease: Lease) => Effect.Effect<Made<Answer>, Broken | InvalidRequest | LeaseLost | SqlError>
  const run = (procedure: ReturnType<typeof command>, work: Work, lease = Duration.hours(1)) =>
    Effect.runPromise(
      Effect.result(Effect.scoped(Effect.flatMap(session, (keeper) => runLeased(keeper, procedure, lease, work))))
    )
  const INSERT = "INSERT INTO public.made VALUES ($1::integer)"
  /** An effect under a lease: one row. */
  const make =
    (n: number): Work =>
    (lease) =>
      Effect.as(
        Effect.scoped(
          Effect.flatMap(session, (connection) => lease.effect(connection, connection.query(INSERT, [`${n}`])))
        ),
        { value: { made: n } }
      )
  const record = async (key: string) => {
    const [row] = await owner.query(
      `SELECT state, fence::text AS fence, lease_until IS NULL AS released, claimed_at::text AS claimed
       FROM idempotency_tracking WHERE command_type = 'Test.Make' AND idempotency_key = $1`,
      [key]
    )
    return row
  }
  const audited = async (key: string) =>
    (await owner.query("SELECT outcome FROM audit_log WHERE idempotency_key = $1", [key])).map(({ outcome }) => outcome)
  const made = async (n: number) => (await owner.query("SELECT n FROM public.made WHERE n = $1", [n])).length
  const runOut = (key: string) =>
    owner.query(
      "UPDATE idempotency_tracking SET lease_until = app.now() - interval '1 second' WHERE idempotency_key = $1",
      [key]
    )

  it("is answered once, and again with the same answer and no other line in the audit log", async () => {
    const first = await run(command("k-1"), make(1))
    assert(first._tag === "Success")
    assert.deepStrictEqual(first.success.made, 1)
    const again = await run(command("k-1"), make(1))
    assert.deepStrictEqual(again._tag === "Success" && again.success, {
      made: 1,
      meta: { ...first.success.meta, replayed: true }
    })
    assert.strictEqual(await made(1), 1)
    assert.deepStrictEqual(await audited("k-1"), ["succeeded"])
    const other = await run(command("k-1", 2), make(2))
    assert.deepStrictEqual(other._tag === "Failure" && other.failure._tag, "IntentConflict")
  })

  it("under way is left alone by the next try, which is told how long the lease lasts", async () => {
    const [inside, release] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
    const first = run(command("k-2"), (lease) =>
      Effect.andThen(Deferred.succeed(inside, undefined), Effect.andThen(Deferred.await(release), make(20)(lease)))
    )
    await Effect.runPromise(Deferred.await(inside))
    assert.include(await record("k-2"), { state: "PENDING", fence: "1", released: false })
    const second = await run(command("k-2"), make(20))
    assert(second._tag === "Failure" && second.failure._tag === "RequestInProgress")
    assert.isAtMost(second.failure.retryAfterSeconds, 3600)
    assert.isAbove(second.failure.retryAfterSeconds, 3000)
    Deferred.doneUnsafe(release, Effect.void)
    assert.strictEqual((await first)._tag, "Success")
    assert.strictEqual(await made(20), 1)
  })

  it("whose lease ran out is taken over, and whoever had it can do nothing more", async () => {
    const [inside, release] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
    const first = run(command("k-3"), (lease) =>
      Effect.andThen(Deferred.succeed(inside, undefined), Effect.andThen(Deferred.await(release), make(30)(lease)))
    )
    await Effect.runPromise(Deferred.await(inside))
    const claimed = (await record("k-3"))?.claimed
    await runOut("k-3")
    assert.strictEqual((await run(command("k-3"), make(31)))._tag, "Success")
    Deferred.doneUnsafe(release, Effect.void)
    const late = await first
    assert.deepStrictEqual(late._tag === "Failure" && late.failure._tag, "RequestInProgress")
    assert.deepStrictEqual([await made(30), await made(31)], [0, 1])
    assert.include(await record("k-3"), { state: "SUCCEEDED", fence: "2", released: true, claimed })
    assert.deepStrictEqual(await audited("k-3"), ["succeeded"])
  })

  it("that was taken over can do nothing while the other is still at it, nor release or extend what is the other's", async () => {
    const signal = () => Deferred.makeUnsafe<void>()
    const [inside, release, taken, finish] = [signal(), signal(), signal(), signal()]
    const at =
      (reached: Deferred.Deferred<void>, go: Deferred.Deferred<void>, n: number): Work =>
      (lease) =>
        Effect.andThen(Deferred.succeed(reached, undefined), Effect.andThen(Deferred.await(go), make(n)(lease)))
    const first = run(command("k-9"), at(inside, release, 90))
    await Effect.runPromise(Deferred.await(inside))
    await runOut("k-9")
    const second = run(command("k-9"), at(taken, finish, 91))
    await Effect.runPromise(Deferred.await(taken))
    Deferred.doneUnsafe(release, Effect.void)
    const late = await first
    assert.deepStrictEqual(late._tag === "Failure" && late.failure._tag, "RequestInProgress")
    assert.include(await record("k-9"), { state: "PENDING", fence: "2", released: false })
    Deferred.doneUnsafe(finish, Effect.void)
    assert.strictEqual((await second)._tag, "Success")
    assert.deepStrictEqual([await made(90), await made(91)], [0, 1])
  })

  it("that was taken over while its effect was decided does not commit its answer either", async () => {
    const [inside, release] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
    const first = run(command("k-4"), () =>
      Effect.andThen(Deferred.succeed(inside, undefined), Effect.as(Deferred.await(release), { value: { made: 40 } }))
    )
    await Effect.runPromise(Deferred.await(inside))
    await runOut("k-4")
    const taken = await run(command("k-4"), make(41))
    Deferred.doneUnsafe(release, Effect.void)
    assert.strictEqual((await first)._tag, "Failure")
    const again = await run(command("k-4"), make(42))
    assert.deepStrictEqual(again._tag === "Success" && taken._tag === "Success" && again.success.made, 41)
  })

  it("keeps its lease while it works", async () => {
    const lease = Duration.millis(60)
    const until = async () =>
      (await owner.query("SELECT lease_until::text AS at FROM idempotency_tracking WHERE idempotency_key = 'k-5'"))[0]
        ?.at
    const result = await run(
      command("k-5"),
      (held) =>
        Effect.andThen(
          Effect.promise(async () => {
            const first = await until()
            while ((await until()) === first);
          }),
          make(50)(held)
        ),
      lease
    )
    assert.strictEqual(result._tag, "Success")
  })

  it("that fails on the way leaves its key to the next try, bound to its payload", async () => {
    const failed = await run(command("k-6"), () => Effect.fail(new Broken()))
    assert.deepStrictEqual(failed._tag === "Failure" && failed.failure._tag, "Broken")
    const before = await record("k-6")
    assert.include(before, { state: "FAILED_RETRIABLE", released: true })
    const other = await run(command("k-6", 2), make(61))
    assert.deepStrictEqual(other._tag === "Failure" && other.failure._tag, "IntentConflict")
    assert.strictEqual((await run(command("k-6"), make(60)))._tag, "Success")
    assert.include(await record("k-6"), { state: "SUCCEEDED", claimed: before?.claimed })
    assert.deepStrictEqual(await audited("k-6"), ["succeeded"])
  })

  it("that is refused is refused again, and stands in the audit log", async () => {
    const refuse: Work = () => Effect.fail(new InvalidRequest({ field: "n", message: "is odd" }))
    const [first, again] = [await run(command("k-7"), refuse), await run(command("k-7"), make(70))]
    assert(first._tag === "Failure" && first.failure._tag === "InvalidRequest")
    assert(again._tag === "Failure" && again.failure._tag === "InvalidRequest")
    assert.deepStrictEqual([first.failure.meta?.replayed, again.failure.meta?.replayed], [false, true])
    assert.deepStrictEqual(await audited("k-7"), ["InvalidRequest"])
  })

  it("in one transaction leaves nothing of a try that failed, and nothing of a dry run", async () => {
    const once = (key: string, dryRun: boolean, work: Effect.Effect<Made<Answer>, SqlError>) =>
      Effect.runPromise(
        Effect.result(
          Effect.scoped(
            Effect.flatMap(session, (connection) =>
              runOnce(connection, command(key, 1, dryRun), () => Effect.andThen(connection.query(INSERT, ["80"]), work))
            )
          )
        )
      )
    const fails = Effect.scoped(
      Effect.flatMap(session, (it) => Effect.as(it.query("SELECT 1 / 0"), { value: { made: 0 } }))
    )
    assert.strictEqual((await once("k-8", false, fails))._tag, "Failure")
    assert.strictEqual((await once("k-8", true, Effect.succeed({ value: { made: 1 } })))._tag, "Success")
    assert.isUndefined(await record("k-8"))
    assert.strictEqual(await made(80), 0)
    assert.strictEqual((await once("k-8", false, Effect.succeed({ value: { made: 1 } })))._tag, "Success")
    assert.include(await record("k-8"), { state: "SUCCEEDED", released: true })
    assert.strictEqual(await made(80), 1)
  })
})
