import { instantOf } from "@credit/domain/Account"
import { due } from "@credit/domain/decide/Due"
import { makeRandom, type Random } from "../../../../test/utils/makeRandom.ts"
import { openSession, type Session } from "../../../../test/utils/Postgres.ts"
import { purchaseOf } from "../../../../test/utils/samples.ts"
import { faults } from "../../../../test/utils/verify.ts"
import { at, type Fixture, makeFixture } from "../commands/Fixture.ts"
import { now } from "../migrations/Ledger.ts"
import { accountStates, jobRuns, unpaced } from "./Ground.ts"

const WRITERS = 16
const COMMANDS = 4
/** How often each job runs in a round: more would leave the writers no machine to run on. */
const RUNS = 4
/** Few are at work, so that everybody meets; more have credits, so that some are idle when theirs expire. */
const WORKING = 6
const FUNDED = 30

const CALLS = [
  "CALL app.expire_lots()",
  "CALL app.cleanup_expired_operations()",
  "CALL app.cleanup_idempotency()",
  "CALL app.create_partitions()",
  "CALL app.verify_ledger()"
] as const

/** What came of a race. */
export interface RaceReport {
  readonly rounds: number
  readonly commands: number
  readonly runs: number
  readonly entriesByJobs: number
  readonly released: number
  readonly deadlocks: number
}

/**
 * Rounds of 16 writers, each with some commands on a few users, while all five jobs run again and again; the clock goes on
 * meanwhile, so that lots and operations fall due under them. After each round everything is derived anew from the entries,
 * and, when the jobs have run once more, nothing may be due of an account that holds nothing (rule 5).
 */
export const raceJobs = async (
  adminUrl: string,
  options: { readonly rounds: number; readonly seed: number; readonly onRound?: (round: number) => void }
): Promise<RaceReport> => {
  const fixture = await makeFixture(adminUrl, { sandbox: true })
  const random = makeRandom(options.seed)
  const sessions = await Promise.all(CALLS.map(() => jobSession(fixture)))
  let commands = 0
  try {
    await unpaced(fixture.owner)
    await fixture.owner.query(
      "UPDATE public.merchant_settings SET job_batch_accounts = 2, operation_timeout_minutes = 90"
    )
    for (let round = 1; round <= options.rounds; round += 1) {
      let racing = true
      const jobs = sessions.map(async (session, index) => {
        for (let run = 0; run < RUNS && racing; run += 1) await session.query(CALLS[index] ?? CALLS[0])
      })
      const clock = advance(fixture, random.upTo(9) === 0 ? 24 * 20 : 1 + random.upTo(30))
      await Promise.all(Array.from({ length: WRITERS }, () => write(fixture, makeRandom(random.upTo(1_000_000_000)))))
      await clock
      racing = false
      await Promise.all(jobs)
      commands += WRITERS * COMMANDS
      await check(fixture.owner, sessions, `round ${round} of seed ${options.seed}`)
      options.onRound?.(round)
    }
    const runs = await jobRuns(fixture.owner)
    const wrong = runs.filter(({ state }) => state !== "succeeded")
    if (wrong.length > 0) throw new Error(`runs that did not succeed: ${JSON.stringify(wrong.slice(0, 3))}`)
    const total = (job: string) => runs.filter((run) => run.job === job).reduce((sum, run) => sum + Number(run.rows), 0)
    const [row] = await fixture.owner.query(
      "SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()"
    )
    return {
      rounds: options.rounds,
      commands,
      runs: runs.length,
      entriesByJobs: total("lot_expiry"),
      released: total("operation_cleanup"),
      deadlocks: Number(row?.deadlocks)
    }
  } finally {
    await Promise.all(sessions.map((session) => session.close()))
    await fixture.close()
  }
}

const jobSession = async (fixture: Fixture): Promise<Session> => {
  const session = await openSession(fixture.runtimeUrl)
  await session.query("SET ROLE credit_jobs")
  return session
}

const advance = (fixture: Fixture, hours: number) => fixture.run("Sandbox.AdvanceClock", { hours }, { role: "admin" })

/** Some commands of one writer; operations stay open now and then, so that they expire. */
const write = async (fixture: Fixture, random: Random) => {
  let open: string | undefined
  for (let command = 0; command < COMMANDS; command += 1) {
    const kind = random.upTo(9)
    const userId = `user-${random.upTo((kind < 4 ? FUNDED : WORKING) - 1)}`
    if (kind < 2) {
      await fixture.run("Purchase.Settled", purchaseOf(userId, `pay-${random.upTo(2 ** 40)}`, "starter"))
    } else if (kind < 4) {
      const grant = {
        type: "manual",
        credits: 1 + random.upTo(60),
        accessPeriodDays: 1,
        justification: "race"
      } as const
      await fixture.run("Grant.Apply", { userId, grant }, { role: "admin" })
    } else if (kind < 8 || open === undefined) {
      const opened = await fixture.run("Operation.Open", {
        userId,
        operationTypeCode: "api_call",
        ...(random.upTo(4) === 0 ? {} : { estimatedAmount: `${1 + random.upTo(30)}` })
      })
      const operationId = at(opened, "value", "operation", "operationId")
      open = random.upTo(3) === 0 || typeof operationId !== "string" ? open : operationId
    } else {
      await fixture.run("Operation.RecordAndClose", {
        operationId: open,
        resourceAmount: `${1 + random.upTo(40)}`,
        completedAt: "2026-01-15T10:00:00Z"
      })
      open = undefined
    }
  }
}

const check = async (owner: Session, sessions: ReadonlyArray<Session>, when: string) => {
  const found = await faults(owner)
  if (found.length > 0) throw new Error(`${when}: ${found.join("; ")}`)
  const at = await now(owner)
  await sessions[1]?.query(CALLS[1])
  await sessions[0]?.query(CALLS[0])
  for (const account of await accountStates(owner)) {
    const left = due(account, instantOf(account, at))
    if (left.released.length > 0 || (account.held === 0 && left.expiries.length > 0)) {
      throw new Error(`${when}: something is due of ${account.userId}: ${JSON.stringify(left)}`)
    }
  }
}
