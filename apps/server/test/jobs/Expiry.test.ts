import { instantOf } from "@credit/domain/Account"
import { begin, settleDue } from "@credit/domain/decide/Booking"
import type { EntryState } from "@credit/domain/LedgerEntry"
import { makeUuidV7 } from "@credit/domain/Uuid"
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest"
import { makeRandom, type Random, testSeed } from "../../../../test/utils/makeRandom.ts"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { now } from "../migrations/Ledger.ts"
import { accountStates, expiries, HOUR, jobRuns, lay, moveClock, type Plan, unpaced } from "./Ground.ts"

let database: MerchantDatabase
let owner: Session
/** The service's login, which runs jobs. */
let jobs: Session
beforeEach(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { sandbox: true })
  owner = await openSession(database.ownerUrl)
  jobs = await openSession(database.runtimeUrl)
  await jobs.query("SET ROLE credit_jobs")
  await unpaced(owner)
})
afterEach(async () => {
  await Promise.all([owner.close(), jobs.close()])
  await database.drop()
})

/** Lots and operations whose ends fall together often, and are never near hour 100, where the clock will stand. */
const randomPlan = (userId: string, random: Random, t0: number): Plan => {
  const end = () => {
    const half = 10 + random.upTo(380)
    return t0 + (half >= 196 && half <= 204 ? 210 : half) * (HOUR / 2)
  }
  const lots = Array.from({ length: random.upTo(5) }, () => ({
    credits: 1 + random.upTo(50),
    issuedAt: t0 + random.upTo(3) * 60_000,
    expiresAt: end()
  }))
  const operations = Array.from({ length: Math.max(0, random.upTo(6) - 2) }, (_, index) => {
    const expiresAt = end()
    // The newest opening is the account's last change: lots due before it were kept by holds until then.
    const openedAt =
      random.upTo(2) === 0 ? Math.min(expiresAt - HOUR, t0 + (1 + random.upTo(190)) * (HOUR / 2)) : t0 + HOUR / 2
    return { held: index === 0 && random.upTo(3) === 0 ? 0 : 1 + random.upTo(40), openedAt, expiresAt }
  })
  return { userId, lots, operations }
}

describe("app.expire_lots and app.cleanup_expired_operations", () => {
  const seed = testSeed()

  it(`book what the rules' pure function books, entry for entry (TEST_SEED=${seed})`, async () => {
    const random = makeRandom(seed)
    const t0 = await now(owner)
    await lay(
      owner,
      Array.from({ length: 300 }, (_, index) => randomPlan(`user-${index}`, random, t0)),
      t0
    )
    const before = await accountStates(owner)
    await moveClock(owner, 100)
    const clock = await now(owner)

    await jobs.query("CALL app.cleanup_expired_operations()")
    await jobs.query("CALL app.expire_lots()")

    const after = new Map((await accountStates(owner)).map((account) => [account.userId, account]))
    const booked = await expiries(owner)
    let settled = 0
    let kept = 0
    let late = 0
    for (const account of before) {
      const released = account.operations.some(({ expiresAt }) => expiresAt <= instantOf(account, clock))
      const actual = booked.get(account.userId) ?? []
      const instant = actual[0]?.createdAt ?? instantOf(account, clock)
      const expected =
        released || account.held === 0
          ? settleDue(begin(account, instant, makeUuidV7()))
          : begin(account, instant, makeUuidV7())
      const facts = (entries: ReadonlyArray<EntryState>) => entries.map(({ entryId: _, hash: __, ...fields }) => fields)
      expect(facts(actual)).toEqual(facts(expected.entries))
      const { lastAt: _, hash: __, lots, operations, ...standing } = expected.account
      expect(after.get(account.userId)).toMatchObject(standing)
      expect(
        after
          .get(account.userId)
          ?.operations.map(({ operationId }) => operationId)
          .toSorted()
      ).toEqual(operations.map(({ operationId }) => operationId).toSorted())
      expect(new Map(after.get(account.userId)?.lots.map(({ lotId, remaining }) => [lotId, remaining]))).toEqual(
        new Map(lots.map(({ lotId, remaining }) => [lotId, remaining]))
      )
      if (actual.length > 0) settled += 1
      if (released && lots.some(({ expiresAt }) => expiresAt <= clock)) kept += 1
      if (actual.some(({ effectiveAt }) => effectiveAt === account.lastAt)) late += 1
    }
    // What this test is about did happen.
    expect(Math.min(settled, kept, late)).toBeGreaterThan(5)
    expect(await faults(owner)).toEqual([])
    expect(await jobRuns(owner)).toMatchObject([
      { job: "operation_cleanup", state: "succeeded", sql_state: null, error: null },
      { job: "lot_expiry", state: "succeeded", sql_state: null, error: null }
    ])
  })
})
