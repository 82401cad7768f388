import * as Effect from "effect/Effect"
import { openSession } from "../../test/utils/Session.ts"
import { faults } from "../../test/utils/verify.ts"
import type { Ground } from "./Ground.ts"
import type { Merchant } from "./Merchants.ts"

/** Ledgers up to this size are derived anew entry by entry; of larger ones, the sums. */
const ENTIRELY = 2_000_000

/** Sums that a ledger of any size can be asked for in seconds; its entries chain, or its trigger would have refused them. */
const SUMS = `
SELECT 'accounts are not the sum of their entries' AS fault
FROM (SELECT sum(amount) AS balance, count(*) AS entries FROM public.ledger_entries) AS e,
  (SELECT sum(balance) AS balance, sum(seq) AS entries FROM public.accounts) AS a
WHERE (e.balance, e.entries) IS DISTINCT FROM (a.balance, a.entries)
UNION ALL
SELECT 'lots and debts are not the balances'
FROM (SELECT sum(remaining) AS remaining FROM public.lots) AS l,
  (SELECT sum(balance + debt) AS balance FROM public.accounts) AS a
WHERE l.remaining IS DISTINCT FROM a.balance`

/** Figures of a ledger that is wrong are worth nothing: what the run wrote is derived again from its entries. */
export const verify = Effect.fnUntraced(function* (ground: Ground) {
  const small = [ground.main, ...(ground.worked === undefined ? [] : [ground.worked]), ...ground.crowd]
  const grown = ground.grown.map((merchant) => ({ merchant, entirely: merchant.entries <= ENTIRELY }))
  const checks = [...small.map((merchant) => ({ merchant, entirely: true })), ...grown]
  const counts = yield* Effect.forEach(
    checks,
    ({ entirely, merchant }) => Effect.tryPromise({ try: () => check(merchant, entirely), catch: (error) => error }),
    { concurrency: 2 }
  )
  const entries = counts.reduce((sum, count) => sum + count, 0).toLocaleString("en")
  const sums = grown.some(({ entirely }) => !entirely)
  return (
    `${entries} ledger entries of ${checks.length} merchants; balances, lots, holds and hashes verified` +
    (sums ? ` (of ledgers above ${ENTIRELY.toLocaleString("en")} entries, sums and counts)` : "")
  )
})

const check = async ({ database }: Merchant, entirely: boolean): Promise<number> => {
  const owner = await openSession(database.ownerUrl)
  try {
    const found = entirely ? await faults(owner) : (await owner.query(SUMS)).map((row) => String(row.fault))
    if (found.length > 0) throw new Error(`The ledger is wrong: ${found.slice(0, 5).join("; ")}`)
    const [row] = await owner.query("SELECT count(*)::text AS entries FROM public.ledger_entries")
    return Number(row?.entries)
  } finally {
    await owner.close()
  }
}
