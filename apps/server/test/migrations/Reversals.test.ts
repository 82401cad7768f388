import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { addFundedAccount, followAll, type Head, insertEntries, type Movement, now, rows } from "./Ledger.ts"

let database: MerchantDatabase
let owner: Session
let runtime: Session
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"))
  owner = await openSession(database.ownerUrl)
  runtime = await openSession(database.runtimeUrl)
})
afterAll(async () => {
  await Promise.all([owner.close(), runtime.close()])
  await database.drop()
})

interface Purchase {
  readonly externalRef: string
  readonly userId: string
  readonly lotId: string
  head: Head
}

let purchases = 0

/** A user who bought 100 credits. */
const buy = async (): Promise<Purchase> => {
  const userId = `buyer-${purchases++}`
  const externalRef = `pay-${userId}`
  const { head, lotId } = await addFundedAccount(runtime, userId, 100)
  await runtime.query(
    `INSERT INTO public.purchases (external_ref, user_id, product_code, lot_id, receipt_number, credits, country, currency,
       amount, order_placed_at, settled_at, purchased_at)
     SELECT $1, $2, 'starter', $3::uuid, 'R-1', 100, 'DE', 'USD', 9.99, t, t, t FROM app.now() AS t`,
    [externalRef, userId, lotId]
  )
  return { externalRef, userId, lotId, head }
}

/** Books movements on the buyer's account and answers when. */
const book = async (purchase: Purchase, ...movements: ReadonlyArray<Omit<Movement, "createdAt">>): Promise<number> => {
  const createdAt = await now(runtime)
  const [entries, head] = followAll(
    purchase.head,
    movements.map((it) => ({ ...it, createdAt }))
  )
  await runtime.query(insertEntries, rows(...entries))
  purchase.head = head
  return createdAt
}

interface Reversal {
  readonly sequence?: number
  readonly kind?: string
  readonly lotId?: string
  readonly credits?: number
  readonly expired?: number
  readonly debt?: number
  readonly first?: number | null
  readonly last?: number | null
  readonly at: number
}

const insert = `
INSERT INTO public.reversals (external_ref, user_id, sequence, kind, lot_id, credits, expired, debt_incurred, first_seq,
  last_seq, actor, reversed_at)
SELECT $1, $2, r.sequence, r.kind, r."lotId", r.credits, r.expired, r.debt, r.first, r.last, 'olga',
  timestamptz 'epoch' + r.at * interval '1 millisecond'
FROM json_to_record($3::json) AS r (
  sequence smallint, kind text, "lotId" uuid, credits bigint, expired bigint, debt bigint, first bigint, last bigint,
  at bigint
)`

const parameters = ({ externalRef, lotId, userId }: Purchase, reversal: Reversal) => [
  externalRef,
  userId,
  JSON.stringify({
    sequence: 1,
    kind: "refund",
    lotId,
    credits: 100,
    expired: 0,
    debt: 0,
    first: 2,
    last: 2,
    ...reversal
  })
]
const reverse = (purchase: Purchase, reversal: Reversal) => runtime.query(insert, parameters(purchase, reversal))
const refused = (purchase: Purchase, reversal: Reversal) => runtime.refusal(insert, parameters(purchase, reversal))

const resolution = `
UPDATE public.reversals SET outcome = $2, resolved_at = greatest(app.now(), reversed_at), resolved_by = 'olga',
  reinstatement_lot_id = $3::uuid
WHERE external_ref = $1 AND outcome IS NULL`

/** A purchase that was charged back in full. */
const chargedBack = async () => {
  const purchase = await buy()
  const at = await book(purchase, { amount: -100, lotId: purchase.lotId, reason: "chargeback" })
  await reverse(purchase, { kind: "chargeback", at })
  return purchase
}

/** A lot that gives back so many credits, filled, and the resolution that names it. */
const giveBack = async (purchase: Purchase, credits: number, externalRef = purchase.externalRef) => {
  const lotId = randomUUID()
  const issuedAt = await now(runtime)
  await runtime.query(
    `INSERT INTO public.lots (lot_id, user_id, source, external_ref, credits, issued_at, expires_at)
     SELECT $1::uuid, $2, 'reinstatement', $3, $4::bigint, t, t + interval '24 hours'
     FROM (SELECT timestamptz 'epoch' + $5::bigint * interval '1 millisecond') AS clock (t)`,
    [lotId, purchase.userId, externalRef, credits, issuedAt]
  )
  const [[entry], head] = followAll(purchase.head, [
    { amount: credits, lotId, reason: "reinstatement", createdAt: issuedAt }
  ])
  if (entry === undefined) throw new Error("no entry")
  await runtime.query(insertEntries, rows(entry))
  purchase.head = head
  return {
    lotId,
    sql: `UPDATE public.reversals SET outcome = 'won', resolved_at = timestamptz 'epoch' + $2::bigint * interval '1 millisecond',
      resolved_by = 'olga', reinstatement_lot_id = $3::uuid WHERE external_ref = $1 AND outcome IS NULL`,
    values: [purchase.externalRef, issuedAt, lotId]
  }
}

describe("a reversal", () => {
  it("is held to the entries that took the credits: none, others, or of another account or reason are refused", async () => {
    const purchase = await buy()
    expect(await refused(purchase, { at: await now(runtime) })).toMatchObject({ code: "CR001", table: "reversals" })
    const at = await book(
      purchase,
      { amount: -60, lotId: purchase.lotId, reason: "refund" },
      { amount: -40, lotId: purchase.lotId, reason: "debit" }
    )
    for (const wrong of [
      { first: 2, last: 3 },
      { first: 2, last: 2 },
      { first: 2, last: 2, credits: 60 },
      { first: 2, last: 2, expired: 40 },
      { kind: "chargeback", first: 2, last: 2 },
      { first: 2, last: 2, at: at + 1 }
    ]) {
      expect(await refused(purchase, { at, ...wrong }), JSON.stringify(wrong)).toMatchObject({ code: "CR001" })
    }
  })

  it("says what of it was debt, and what had expired", async () => {
    const purchase = await buy()
    await book(purchase, { amount: -30, lotId: purchase.lotId })
    const at = await book(
      purchase,
      { amount: -70, lotId: purchase.lotId, reason: "refund" },
      { amount: -30, lotId: null, reason: "refund" }
    )
    const taken = { at, first: 3, last: 4 }
    expect(await refused(purchase, taken)).toMatchObject({
      code: "CR001",
      message: "a reversal does not follow its purchase: its entries take 100, 30 of it as debt"
    })
    await reverse(purchase, { ...taken, debt: 30 })
  })

  it("stands alone: another for the same purchase is refused, whatever it says", async () => {
    const purchase = await chargedBack()
    const at = await now(runtime)
    expect(await refused(purchase, { kind: "chargeback", at })).toMatchObject({ code: "23505" })
    expect(await refused(purchase, { sequence: 2, at })).toMatchObject({
      code: "CR001",
      message: "a reversal does not follow its purchase: no chargeback that was won comes before it"
    })
    await runtime.query(resolution, [purchase.externalRef, "lost", null])
    expect(await refused(purchase, { sequence: 2, at })).toMatchObject({ code: "CR001" })
    expect(await refused(purchase, { sequence: 3, at })).toMatchObject({ code: "23514" })
  })

  it("of a purchase that is not there, or takes another lot, is refused", async () => {
    const [purchase, other] = [await buy(), await buy()]
    const at = await book(purchase, { amount: -100, lotId: purchase.lotId, reason: "refund" })
    expect(await refused({ ...purchase, externalRef: "no-such" }, { at })).toMatchObject({ code: "CR001" })
    expect(await refused({ ...purchase, externalRef: other.externalRef }, { at })).toMatchObject({ code: "CR001" })
    expect(await refused(purchase, { lotId: other.lotId, at })).toMatchObject({ code: "CR001" })
    await reverse(purchase, { at })
  })

  it("follows once more after a won chargeback, out of what that gave back, and no more", async () => {
    const purchase = await chargedBack()
    const { lotId, sql, values } = await giveBack(purchase, 100)
    await runtime.query(sql, values)
    const at = await book(purchase, { amount: -100, lotId, reason: "refund" })
    const second = { sequence: 2, at, first: 4, last: 4 }
    expect(await refused(purchase, second)).toMatchObject({ code: "CR001" })
    await reverse(purchase, { ...second, lotId })
    expect(await refused(purchase, { ...second, sequence: 3, lotId })).toMatchObject({ code: "23514" })
  })
})

describe("an outcome", () => {
  it("is given once", async () => {
    const purchase = await chargedBack()
    await runtime.query(resolution, [purchase.externalRef, "lost", null])
    const again = "UPDATE public.reversals SET resolved_by = 'ole' WHERE external_ref = $1"
    expect(await runtime.refusal(again, [purchase.externalRef])).toMatchObject({ code: "CR003" })
  })

  it("that is won gives back exactly what was taken, in a lot of this purchase's", async () => {
    const purchase = await chargedBack()
    for (const given of [
      await giveBack(purchase, 99),
      await giveBack(purchase, 101),
      await giveBack(purchase, 100, "other")
    ]) {
      expect(await runtime.refusal(given.sql, given.values)).toMatchObject({
        code: "CR001",
        message: "a reversal does not follow its purchase: its reinstatement gives back something else"
      })
    }
    expect(await runtime.refusal(resolution, [purchase.externalRef, "won", null])).toMatchObject({ code: "23514" })
    const right = await giveBack(purchase, 100)
    expect(await runtime.refusal(resolution, [purchase.externalRef, "lost", right.lotId])).toMatchObject({
      code: "23514"
    })
    await runtime.query(right.sql, right.values)
  })

  it("is not for refunds", async () => {
    const purchase = await buy()
    const at = await book(purchase, { amount: -100, lotId: purchase.lotId, reason: "refund" })
    await reverse(purchase, { at })
    expect(await runtime.refusal(resolution, [purchase.externalRef, "lost", null])).toMatchObject({ code: "23514" })
  })

  it("is all that the runtime role may write of it later", async () => {
    for (const column of ["kind", "lot_id", "credits", "expired", "first_seq", "actor", "note", "reversed_at"]) {
      const sql = `UPDATE public.reversals SET ${column} = ${column}`
      expect(await runtime.refusal(sql), column).toMatchObject({ code: "42501" })
      expect(await owner.refusal(sql), column).toMatchObject({ code: "CR003" })
    }
    expect(await runtime.refusal("DELETE FROM public.reversals")).toMatchObject({ code: "42501" })
  })
})
