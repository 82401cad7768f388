import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  blockedBy,
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import {
  account,
  addAccount,
  addFundedAccount,
  addLot,
  type Entry,
  firstHead,
  follow,
  followAll,
  type Head,
  insertEntries,
  lot,
  now,
  rows
} from "./Ledger.ts"

let database: MerchantDatabase
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await runtime.close()
  await database.drop()
})

const hex = (hash: Uint8Array) => Buffer.from(hash).toString("hex")

describe("entries that chain", () => {
  it("move their account and lot, and nothing else does", async () => {
    const { createdAt, entry, head, lotId } = await addFundedAccount(runtime, "mover", 100)
    expect(await account(runtime, "mover")).toEqual({
      balance: 100,
      held: 0,
      debt: 0,
      seq: 1,
      hash: hex(entry.hash),
      lastAt: createdAt
    })
    expect(await lot(runtime, lotId)).toEqual({ remaining: 100, active: true })

    const at = await now(runtime)
    const [debits, after] = followAll(head, [
      { amount: -30, lotId, createdAt: at },
      { amount: -70, lotId, createdAt: at }
    ])
    await runtime.query(insertEntries, rows(...debits))
    expect(await account(runtime, "mover")).toEqual({
      balance: 0,
      held: 0,
      debt: 0,
      seq: 3,
      hash: hex(after.hash),
      lastAt: at
    })
    expect(await lot(runtime, lotId)).toEqual({ remaining: 0, active: false })
  })

  it("are taken for many accounts at once, in any order of rows", async () => {
    const users = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => addFundedAccount(runtime, `crowd-${index}`, 1000))
    )
    const at = await now(runtime)
    const entries = users.flatMap(({ head, lotId }) => {
      const movements = Array.from({ length: 15 }, () => ({ amount: -10, lotId, createdAt: at }))
      return followAll(head, movements)[0]
    })
    await runtime.query(insertEntries, rows(...entries.toReversed()))
    for (const { head, lotId } of users) {
      expect(await account(runtime, head.userId)).toMatchObject({ balance: 850, seq: 16 })
      expect(await lot(runtime, lotId)).toEqual({ remaining: 850, active: true })
    }
  })

  it("without a lot are debt, which the next lot repays", async () => {
    const { createdAt, head, lotId } = await addFundedAccount(runtime, "debtor", 10)
    const [debits, indebted] = followAll(head, [
      { amount: -10, lotId, createdAt },
      { amount: -25, lotId: null, createdAt }
    ])
    await runtime.query(insertEntries, rows(...debits))
    expect(await account(runtime, "debtor")).toMatchObject({ balance: -25, debt: 25 })

    const next = await addLot(runtime, "debtor", 100, createdAt)
    const [repaid] = followAll(indebted, [
      { amount: 100, lotId: next, createdAt },
      { amount: -25, lotId: next, createdAt, reason: "settlement" },
      { amount: 25, lotId: null, createdAt, reason: "settlement" }
    ])
    await runtime.query(insertEntries, rows(...repaid))
    expect(await account(runtime, "debtor")).toMatchObject({ balance: 75, debt: 0 })
    expect(await lot(runtime, next)).toMatchObject({ remaining: 75 })
  })

  it("may be none: an insert of nothing changes nothing", async () => {
    await expect(runtime.query(insertEntries, ["[]"])).resolves.toEqual([])
  })
})

describe("what does not chain is refused, and changes nothing", () => {
  let head: Head
  let lotId: string
  let createdAt: number
  let user = 0
  const fresh = async () => {
    ;({ head, lotId, createdAt } = await addFundedAccount(runtime, `refused-${user++}`, 100))
  }
  const refused = async (...entries: ReadonlyArray<Entry>) => {
    const before = [await account(runtime, head.userId), await lot(runtime, lotId)]
    const refusal = await runtime.refusal(insertEntries, rows(...entries))
    expect([await account(runtime, head.userId), await lot(runtime, lotId)]).toEqual(before)
    return refusal
  }

  it("a gap in seq", async () => {
    await fresh()
    const [entry] = follow({ ...head, seq: 2 }, { amount: -1, lotId, createdAt })
    expect(await refused(entry)).toMatchObject({
      code: "CR001",
      message: `an entry does not chain: it does not follow entry 1 (entry 3 of account ${head.userId})`
    })
  })

  it("a gap within the batch", async () => {
    await fresh()
    const [first, second] = follow(head, { amount: -1, lotId, createdAt })
    const [third] = follow({ ...second, seq: second.seq + 1 }, { amount: -1, lotId, createdAt })
    expect(await refused(first, third)).toMatchObject({ code: "CR001" })
  })

  it("a seq twice within the batch", async () => {
    await fresh()
    const [one] = follow(head, { amount: -1, lotId, createdAt })
    const [other] = follow(head, { amount: -1, lotId, createdAt: createdAt + 1 })
    expect(await refused(one, other)).toMatchObject({ code: "CR001" })
  })

  it("a seq that is taken", async () => {
    await fresh()
    const [entry] = follow({ ...head, seq: 0 }, { amount: -1, lotId, createdAt: createdAt + 1 })
    expect(await refused(entry)).toMatchObject({ code: "CR001" })
  })

  it("a balance that does not follow", async () => {
    await fresh()
    const [entry] = follow({ ...head, balance: 1000 }, { amount: -1, lotId, createdAt })
    expect(await refused(entry)).toMatchObject({
      code: "CR001",
      message: expect.stringContaining("a balance of 100 and an amount of -1 do not make 999")
    })
  })

  it("a balance that does not follow within the batch", async () => {
    await fresh()
    const [first, second] = follow(head, { amount: -1, lotId, createdAt })
    const [third] = follow({ ...second, balance: 100 }, { amount: -1, lotId, createdAt })
    expect(await refused(first, third)).toMatchObject({ code: "CR001" })
  })

  it("a hash that is not the entry's", async () => {
    await fresh()
    const [entry] = follow(head, { amount: -1, lotId, createdAt })
    expect(await refused({ ...entry, note: "added later" })).toMatchObject({
      code: "CR001",
      message: expect.stringContaining("its hash is not that of this entry and its predecessor")
    })
  })

  it("a hash over another predecessor", async () => {
    await fresh()
    const [entry] = follow({ ...head, hash: firstHead("").hash }, { amount: -1, lotId, createdAt })
    expect(await refused(entry)).toMatchObject({ code: "CR001" })
  })

  it("time that goes back", async () => {
    await fresh()
    const [entry] = follow(head, { amount: -1, lotId, createdAt: createdAt - 1 })
    expect(await refused(entry)).toMatchObject({
      code: "CR001",
      message: expect.stringContaining("its time is before what happened last")
    })
  })

  it("time that goes back within the batch", async () => {
    await fresh()
    const [entries] = followAll(head, [
      { amount: -1, lotId, createdAt: createdAt + 5 },
      { amount: -1, lotId, createdAt: createdAt + 4 }
    ])
    expect(await refused(...entries)).toMatchObject({ code: "CR001" })
  })

  it("an account that does not exist", async () => {
    await fresh()
    const [entry] = follow(firstHead("nobody"), { amount: -1, lotId, createdAt })
    expect(await refused(entry)).toMatchObject({
      code: "CR002",
      message: "an entry does not chain: there is no such account (entry 1 of account nobody)"
    })
  })

  it("a lot that does not exist", async () => {
    await fresh()
    const unknown = randomUUID()
    const [entry] = follow(head, { amount: -1, lotId: unknown, createdAt })
    expect(await refused(entry)).toMatchObject({ code: "CR002", message: expect.stringContaining(unknown) })
  })

  it("another user's lot", async () => {
    const { lotId: foreign } = await addFundedAccount(runtime, `owner-${user}`, 100)
    await fresh()
    const [entry] = follow(head, { amount: -1, lotId: foreign, createdAt })
    expect(await refused(entry)).toMatchObject({ code: "CR002", message: expect.stringContaining(foreign) })
    expect(await lot(runtime, foreign)).toMatchObject({ remaining: 100 })
  })

  it("another user's lot, named beside its owner", async () => {
    const owner = await addFundedAccount(runtime, `owner-${user}`, 100)
    await fresh()
    const [theirs] = follow(owner.head, { amount: -1, lotId: owner.lotId, createdAt: createdAt + 1000 })
    const [ours] = follow(head, { amount: -1, lotId: owner.lotId, createdAt: createdAt + 1000 })
    expect(await refused(theirs, ours)).toMatchObject({ code: "CR002" })
    expect(await lot(runtime, owner.lotId)).toMatchObject({ remaining: 100 })
  })

  it("more than a lot has", async () => {
    await fresh()
    const [entry] = follow(head, { amount: -101, lotId, createdAt })
    expect(await refused(entry)).toMatchObject({ code: "23514" })
  })

  it("a second filling of a lot, at its issue or later, of a full lot or an empty one", async () => {
    await fresh()
    const later = createdAt + 1
    expect(await refused(follow(head, { amount: 100, lotId, createdAt })[0])).toMatchObject({ code: "23505" })
    expect(await refused(follow(head, { amount: 100, lotId, createdAt: later })[0])).toMatchObject({
      code: "CR001",
      message: `an entry does not issue its lot: a lot is filled once, with all its credits, when it is issued (entry 2 of account ${head.userId})`
    })
    const [emptying, empty] = follow(head, { amount: -100, lotId, createdAt })
    await runtime.query(insertEntries, rows(emptying))
    head = empty
    expect(await refused(follow(head, { amount: 100, lotId, createdAt })[0])).toMatchObject({ code: "23505" })
    expect(await refused(follow(head, { amount: 100, lotId, createdAt: later })[0])).toMatchObject({ code: "CR001" })
  })

  it("a lot filled with other than its credits, for another reason, or at another time than it was issued", async () => {
    await fresh()
    for (const wrong of [{ amount: 49 }, { amount: 51 }, { reason: "promo" }, { createdAt: createdAt + 1 }]) {
      const next = await addLot(runtime, head.userId, 50, createdAt)
      const [entry] = follow(head, { amount: 50, lotId: next, createdAt, ...wrong })
      expect(await refused(entry), JSON.stringify(wrong)).toMatchObject({ code: "CR001" })
    }
  })

  it("debt beside credits", async () => {
    await fresh()
    const [entry] = follow(head, { amount: -1, lotId: null, createdAt })
    expect(await refused(entry)).toMatchObject({ code: "23514", constraint: "accounts_debt_or_credits" })
  })

  it("a settlement of more than the debt", async () => {
    await fresh()
    const [entries] = followAll(head, [
      { amount: -10, lotId, createdAt, reason: "settlement" },
      { amount: 10, lotId: null, createdAt, reason: "settlement" }
    ])
    expect(await refused(...entries)).toMatchObject({ code: "23514", constraint: "accounts_debt" })
  })

  it("one entry of many: none is taken", async () => {
    const other = await addFundedAccount(runtime, `bystander-${user}`, 100)
    await fresh()
    const [good] = follow(other.head, { amount: -1, lotId: other.lotId, createdAt: other.createdAt })
    const [bad] = follow({ ...head, seq: 7 }, { amount: -1, lotId, createdAt })
    expect(await refused(good, bad)).toMatchObject({ code: "CR001" })
    expect(await account(runtime, other.head.userId)).toMatchObject({ balance: 100, seq: 1 })
  })
})

describe("two writers that take no lock", () => {
  it("both follow the same entry: exactly one wins, whichever commits first", async () => {
    const { createdAt, head, lotId } = await addFundedAccount(runtime, "raced", 100)
    const [first, second] = await Promise.all([openSession(database.runtimeUrl), openSession(database.runtimeUrl)])
    try {
      const [one] = follow(head, { amount: -10, lotId, createdAt })
      // Another instant, so that no unique key of the ledger stands between them: the chain alone must.
      const [other] = follow(head, { amount: -20, lotId, createdAt: createdAt + 1 })
      await first.query("BEGIN")
      await first.query(insertEntries, rows(one))
      const waiting = second.refusal(insertEntries, rows(other))
      await blockedBy(runtime, second, first)
      await first.query("COMMIT")
      expect(await waiting).toMatchObject({
        code: "CR001",
        message: "an entry does not chain: it does not follow entry 2 (entry 2 of account raced)"
      })
      expect(await account(runtime, "raced")).toMatchObject({ balance: 90, seq: 2, hash: hex(one.hash) })
      expect(await lot(runtime, lotId)).toMatchObject({ remaining: 90 })
    } finally {
      await Promise.all([first.close(), second.close()])
    }
  })

  it("goes on when the other one rolls back", async () => {
    const { createdAt, head, lotId } = await addFundedAccount(runtime, "undone", 100)
    const [first, second] = await Promise.all([openSession(database.runtimeUrl), openSession(database.runtimeUrl)])
    try {
      const [one] = follow(head, { amount: -10, lotId, createdAt })
      const [other] = follow(head, { amount: -20, lotId, createdAt: createdAt + 1 })
      await first.query("BEGIN")
      await first.query(insertEntries, rows(one))
      const waiting = second.query(insertEntries, rows(other))
      await blockedBy(runtime, second, first)
      await first.query("ROLLBACK")
      await waiting
      expect(await account(runtime, "undone")).toMatchObject({ balance: 80, seq: 2, hash: hex(other.hash) })
      expect(await lot(runtime, lotId)).toMatchObject({ remaining: 80 })
    } finally {
      await Promise.all([first.close(), second.close()])
    }
  })

  it("race for real: of 8 that follow the same entry one is taken, 20 times over", async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, () => openSession(database.runtimeUrl)))
    try {
      let { createdAt, head, lotId } = await addFundedAccount(runtime, "crowded", 10_000)
      for (let round = 0; round < 20; round++) {
        createdAt += 10
        const outcomes = await Promise.all(
          sessions.map(async (session, index) => {
            const [entry, next] = follow(head, { amount: -1 - index, lotId, createdAt: createdAt + index })
            return session.query(insertEntries, rows(entry)).then(
              () => next,
              (error: unknown) => error
            )
          })
        )
        const refused = outcomes.filter((outcome) => outcome instanceof Error)
        const winners = outcomes.filter((outcome): outcome is Head => !(outcome instanceof Error))
        expect(winners).toHaveLength(1)
        expect(refused.map((error) => Reflect.get(error, "code"))).toEqual(Array.from({ length: 7 }, () => "CR001"))
        head = winners[0] ?? head
        createdAt += 10
        expect(await account(runtime, "crowded")).toMatchObject({
          seq: head.seq,
          balance: head.balance,
          hash: hex(head.hash)
        })
      }
      expect(await lot(runtime, lotId)).toMatchObject({ remaining: head.balance })
    } finally {
      await Promise.all(sessions.map((session) => session.close()))
    }
  })

  it("does not deadlock writers that hold their accounts in order", async () => {
    await addAccount(runtime, "ordered-a")
    await addAccount(runtime, "ordered-b")
    const sessions = await Promise.all(Array.from({ length: 4 }, () => openSession(database.runtimeUrl)))
    try {
      const lock = `SELECT FROM public.accounts WHERE user_id IN ('ordered-b', 'ordered-a') ORDER BY user_id COLLATE "C" FOR UPDATE`
      const writers = sessions.map(async (session) => {
        for (let round = 0; round < 10; round++) {
          await session.query("BEGIN")
          await session.query(lock)
          const at = await now(session)
          const entries = await Promise.all(
            ["ordered-b", "ordered-a"].map(async (userId) => {
              const { balance, hash, seq } = await account(session, userId)
              const head = { userId, seq, balance, hash: new Uint8Array(Buffer.from(hash, "hex")) }
              return follow(head, { amount: -1, lotId: null, createdAt: at })[0]
            })
          )
          await session.query(insertEntries, rows(...entries))
          await session.query("COMMIT")
        }
      })
      await Promise.all(writers)
      expect(await account(runtime, "ordered-a")).toMatchObject({ seq: 40, balance: -40, debt: 40 })
      expect(await account(runtime, "ordered-b")).toMatchObject({ seq: 40, balance: -40, debt: 40 })
    } finally {
      await Promise.all(sessions.map((session) => session.close()))
    }
  })
})
