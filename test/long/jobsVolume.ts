import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeCreditClient } from "@credit/client"
import { EmbeddedPostgres } from "@credit/server/embedded/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { freePort } from "../utils/freePort.ts"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { startService, tokenFor } from "../utils/Service.ts"
import { addSamples, purchaseOf } from "../utils/samples.ts"

const LOTS_EACH = 5
const SLICE = 10_000
const CALLERS = 32
const MEASURED_SECONDS = 8
const TURNS = 4

/**
 * The sweep of a great backlog in one call of `app.expire_lots()`, on the product's own durable PostgreSQL, while a service
 * works for other users: `rounds` thousand idle accounts with five lots each, all expired. It is paced for a while, by turns,
 * and then all that is left is swept in one call at full speed. Throws if the sweep leaves anything, if a transaction of it was longer than a second, at a deadlock, and
 * if the other users keep less than 80 % of their throughput while it is paced.
 */
export const sweepBacklog = async (_: string, options: { readonly rounds: number }): Promise<object> => {
  const home = await mkdtemp(join(tmpdir(), "credit-volume-"))
  // Started by root, PostgreSQL runs under another account, which must get there.
  await chmod(home, 0o711)
  const sweep = Effect.gen(function* () {
    const postgres = yield* EmbeddedPostgres.make({ home, port: yield* Effect.promise(freePort) })
    const database = yield* Effect.promise(() => createMerchantDatabase(Redacted.value(postgres.superuserUrl)))
    return yield* Effect.promise(() => measured(database, options.rounds * 1000))
  })
  try {
    return await Effect.runPromise(Effect.scoped(sweep))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

const measured = async (database: MerchantDatabase, accounts: number) => {
  const owner = await openSession(database.ownerUrl)
  const admin = await openSession(database.adminUrl)
  await addSamples(database)
  const loading = performance.now()
  await load(owner, accounts)
  const loadSeconds = since(loading)
  process.stdout.write(`  ${accounts} accounts, ${accounts * LOTS_EACH} expired lots: loaded in ${loadSeconds} s\n`)

  const service = await startService([database], { NODE_ENV: "production", HOST: "127.0.0.1" })
  const token = await tokenFor("app", database.merchantId)
  const client = makeCreditClient({ baseUrl: service.url, token, retry: false })
  const users = Array.from({ length: 200 }, (_, index) => `busy-${index}`)
  await Promise.all(users.map((user) => client.purchase.settled(purchaseOf(user, `pay-${user}`))))
  const pairs = () => pairsPerSecond(client, users)

  try {
    // Paced, beside the callers: with and without by turns, so that a slow minute of the machine is shared by both.
    await pairs()
    const without: Array<number> = []
    const beside: Array<number> = []
    const started = await swept(owner)
    for (let turn = 0; turn < TURNS; turn += 1) {
      without.push(await pairs())
      const session = await openSession(database.runtimeUrl)
      const call = session.query("CALL app.expire_lots()").catch(() => "cancelled")
      beside.push(await pairs())
      await admin.query("SELECT pg_cancel_backend($1::integer)", [session.processId])
      await call
      await session.close()
    }
    const paced = ((await swept(owner)) - started) / (TURNS * MEASURED_SECONDS)

    // All that is left, in one call.
    await owner.query("UPDATE public.merchant_settings SET job_work_percent = 100")
    const [from, at] = [await swept(owner), performance.now()]
    const session = await openSession(database.runtimeUrl)
    await session.query("CALL app.expire_lots()")
    const unpacedSeconds = (performance.now() - at) / 1000
    const unpaced = ((await swept(owner)) - from) / unpacedSeconds
    await session.close()
    const [told] = await owner.query(
      `SELECT r.state::text, r.affected_rows::integer AS entries, r.batches::integer, r.longest_batch_ms,
         (SELECT d.deadlocks::integer FROM pg_stat_database AS d WHERE d.datname = current_database()) AS deadlocks,
         (SELECT count(*)::integer FROM public.lots AS l WHERE l.active AND l.expires_at <= app.now()) AS left
       FROM app.job_runs AS r WHERE r.job_name = 'lot_expiry' ORDER BY r.run_id DESC LIMIT 1`
    )
    const kept = median(beside) / median(without)
    const report = {
      ...told,
      loadSeconds,
      unpaced: { seconds: Math.round(unpacedSeconds), entriesPerSecond: Math.round(unpaced) },
      paced: { entriesPerSecond: Math.round(paced) },
      pairsPerSecond: { without: without.map(Math.round), beside: beside.map(Math.round) },
      kept: Number(kept.toFixed(2))
    }
    process.stdout.write(`  ${JSON.stringify(report)}\n`)
    if (told?.state !== "succeeded" || (await swept(owner)) !== accounts * LOTS_EACH || told.left !== 0)
      throw new Error("not all swept")
    if (told.deadlocks !== 0) throw new Error("there were deadlocks")
    if (Number(told.longest_batch_ms) > 1000) throw new Error("a transaction was longer than a second")
    if (kept < 0.8) throw new Error("the other users kept less than 80 % of their throughput")
    return report
  } finally {
    await client.close()
    await service.end("SIGTERM")
    await Promise.all([owner.close(), admin.close()])
  }
}

/** Pairs of open and close that callers get done in a second. */
const pairsPerSecond = async (client: ReturnType<typeof makeCreditClient>, users: ReadonlyArray<string>) => {
  const until = performance.now() + MEASURED_SECONDS * 1000
  let done = 0
  const caller = async () => {
    while (performance.now() < until) {
      const userId = users[Math.floor(Math.random() * users.length)] ?? "busy-0"
      const { operation } = await client.operation.open({ userId, operationTypeCode: "api_call", estimatedAmount: "1" })
      const completedAt = new Date().toISOString()
      await client.operation.recordAndClose({ operationId: operation.operationId, resourceAmount: "1", completedAt })
      done += 1
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return done / MEASURED_SECONDS
}

/** Through the ledger's own trigger, a lot of every account at a time. */
const load = async (owner: Session, accounts: number) => {
  await owner.query(
    "INSERT INTO public.accounts (user_id) SELECT 'idle-' || g FROM generate_series(1, $1::integer) AS g",
    [accounts]
  )
  for (let lot = 1; lot <= LOTS_EACH; lot += 1) {
    for (let first = 1; first <= accounts; first += SLICE) {
      await owner.query(
        `WITH lot AS (
           INSERT INTO public.lots (lot_id, user_id, source, credits, issued_at, expires_at)
           SELECT app.uuid_v7(t), 'idle-' || g, 'manual', 10, t,
             t + (1 + (g * 7919 + $3::integer) % 2000) * interval '1 millisecond'
           FROM generate_series($1::integer, $2::integer) AS g, app.now() AS t
           RETURNING lot_id, user_id
         )
         SELECT count(*) FROM lot`,
        [first, Math.min(accounts, first + SLICE - 1), lot]
      )
    }
  }
  for (let lot = 1; lot <= LOTS_EACH; lot += 1) {
    for (let first = 1; first <= accounts; first += SLICE) {
      await owner.query(
        `INSERT INTO public.ledger_entries (entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type,
           resource_amount, resource_unit, effective_at, created_at, hash)
         SELECT (e).entry_id, (e).user_id, (e).seq, (e).lot_id, (e).amount, (e).balance_after, (e).reason,
           (e).operation_type, (e).resource_amount, (e).resource_unit, (e).effective_at, (e).created_at,
           app.entry_hash(x.hash, e)
         FROM (
           SELECT a.hash, ROW(app.uuid_v7(l.issued_at), a.user_id, a.seq + 1, l.lot_id, 10, a.balance + 10, 'manual', 'manual', 10,
             'CREDIT', NULL, NULL, NULL, NULL, NULL, l.issued_at, l.issued_at, NULL)::public.ledger_entries AS e
           FROM generate_series($1::integer, $2::integer) AS g
           JOIN public.accounts AS a ON a.user_id = 'idle-' || g
           CROSS JOIN LATERAL (
             SELECT l.lot_id, l.issued_at FROM public.lots AS l WHERE l.user_id = a.user_id AND l.remaining = 0 ORDER BY l.issued_at LIMIT 1
           ) AS l
         ) AS x`,
        [first, Math.min(accounts, first + SLICE - 1)]
      )
    }
  }
  await owner.query("VACUUM (ANALYZE) public.accounts, public.lots, public.ledger_entries")
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return ((sorted[middle] ?? 0) + (sorted[sorted.length - 1 - middle] ?? 0)) / 2
}

/** The entries that sweeps have booked. */
const swept = async (owner: Session): Promise<number> => {
  const [row] = await owner.query(
    "SELECT coalesce(sum(affected_rows), 0)::integer AS entries FROM app.job_runs WHERE job_name = 'lot_expiry'"
  )
  return Number(row?.entries)
}

const since = (instant: number): number => Math.round((performance.now() - instant) / 1000)
