import { spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"
import { addSamples } from "../utils/samples.ts"
import { faults } from "../utils/verify.ts"

const main = fileURLToPath(new URL("main.ts", import.meta.url))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

describe("A replay", () => {
  let database: MerchantDatabase
  let owner: Session
  let service: Service
  let home: string
  let trace: string
  let shortTrace: string

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    await addSamples(database)
    owner = await openSession(database.ownerUrl)
    service = await startService([database])
    home = await mkdtemp(join(tmpdir(), "credit-replay-"))
    const token = await tokenFor("app", database.merchantId)
    await writeFile(
      join(home, "embedded.json"),
      JSON.stringify({ serviceUrl: service.url, merchants: { demo: { tokens: { app: token } } }, operatorToken: "" })
    )
    trace = join(home, "trace.csv")
    await writeFile(trace, sampleTrace(400))
    shortTrace = join(home, "short.csv")
    await writeFile(shortTrace, sampleTrace(30))
  })
  afterAll(async () => {
    await service.end("SIGTERM")
    await owner.close()
    await database.drop()
    await rm(home, { recursive: true })
  })

  /** Runs the tool as a person does; `onOutput` may act on what it has said so far. */
  const replay = (
    args: ReadonlyArray<string>,
    onProgress?: (kill: (signal: NodeJS.Signals) => void) => Promise<void>
  ) =>
    new Promise<Ended>((resolve, reject) => {
      const child = spawn(process.execPath, ["--conditions=source", main, ...args], {
        env: { PATH: process.env.PATH ?? "", CREDIT_HOME: home }
      })
      let out = ""
      let err = ""
      child.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString()
      })
      child.stderr.on("data", (chunk: Buffer) => {
        err += chunk.toString()
      })
      child.once("error", reject)
      child.once("close", (code) => resolve({ code, out, err }))
      onProgress?.((signal) => child.kill(signal)).catch(reject)
    })

  const closed = async (seed: number): Promise<number> => {
    const [row] = await owner.query(
      `SELECT count(*)::int AS closed FROM operations WHERE status = 'closed' AND user_id LIKE 'replay-${seed}-%'`
    )
    return Number(row?.closed)
  }

  /** Resolves once the database has seen so many closed operations of a seed. */
  const reached = async (seed: number, count: number): Promise<void> => {
    while ((await closed(seed)) < count) await new Promise((resolve) => setImmediate(resolve))
  }

  it("agrees with the service in every credit, and again changes nothing", async () => {
    const first = await replay([trace, "--users", "20"])
    expect(first.code).toBe(0)
    expect(first.out).toContain("0 of ")
    expect(first.out).toContain("Every cost, hold and balance is as planned.")
    expect(await closed(1)).toBe(400)
    const entries = () =>
      owner.query("SELECT count(*)::int AS entries, sum(amount)::int AS credits FROM ledger_entries")
    const before = await entries()
    const second = await replay([trace, "--users", "20", "--concurrency", "3"])
    expect(second.code).toBe(0)
    const [, replayed, answers] = /(\d+) of (\d+) answers were replays/.exec(second.out) ?? []
    expect(replayed).toBe(answers)
    expect(await entries()).toEqual(before)
    expect(await faults(owner)).toEqual([])
  })

  it("is gone on with after an interruption, and after a crash", async () => {
    const args = [trace, "--users", "20", "--seed", "2", "--concurrency", "4"]
    const interrupted = await replay(args, async (kill) => {
      await reached(2, 20)
      kill("SIGINT")
    })
    expect(interrupted.code).toBe(130)
    expect(interrupted.out).toContain("The same command goes on where this ended")
    const part = await closed(2)
    expect(part).toBeLessThan(400)
    const crashed = await replay(args, async (kill) => {
      await reached(2, part + 20)
      kill("SIGKILL")
    })
    expect(crashed.code).toBe(null)
    expect(await closed(2)).toBeLessThan(400)
    const last = await replay(args)
    expect(last.code).toBe(0)
    expect(await closed(2)).toBe(400)
    expect(await faults(owner)).toEqual([])
  })

  it("does not notice that the service is killed and started again meanwhile", async () => {
    const run = replay([trace, "--users", "20", "--seed", "6"])
    for (const count of [50, 150, 250]) {
      await reached(6, count)
      const { port } = new URL(service.url)
      await service.end("SIGKILL")
      service = await startService([database], { PORT: port })
    }
    const { code, out } = await run
    expect(code).toBe(0)
    expect(out).toContain("Every cost, hold and balance is as planned.")
    expect(await closed(6)).toBe(400)
    expect(await faults(owner)).toEqual([])
  })

  it("of another plan under the same seed is refused before anything is bought", async () => {
    expect((await replay([shortTrace, "--users", "5", "--seed", "3"])).code).toBe(0)
    const lots = () => owner.query("SELECT count(*)::int AS lots FROM lots")
    const before = await lots()
    const other = await replay([shortTrace, "--users", "6", "--seed", "3"])
    expect(other).toMatchObject({ code: 2, out: "" })
    expect(other.err).toBe("Seed 3 was used before with another trace or number of users: give another --seed\n")
    expect(await lots()).toEqual(before)
  })

  it("says so, and ends with 5, when the service and the plan differ", async () => {
    const args = [shortTrace, "--users", "5", "--seed", "4"]
    expect((await replay(args)).code).toBe(0)
    const token = await tokenFor("app", database.merchantId)
    const { makeCreditClient } = await import("@credit/client")
    await using client = makeCreditClient({ baseUrl: service.url, token })
    await client.withOperation({ userId: "replay-4-u000", operationTypeCode: "llm_tokens" }, async () => ({
      value: undefined,
      resourceAmount: "1"
    }))
    const differing = await replay(args)
    expect(differing.code).toBe(5)
    expect(differing.out).toMatch(/NOT AS PLANNED \(1\):\nreplay-4-u000: spent \d+ instead of \d+/)
  })

  it("explains in one line what is wrong with a call, and ends with 2", async () => {
    const bad = join(home, "bad.csv")
    await writeFile(bad, "TIMESTAMP,ContextTokens\n")
    expect(await replay([bad])).toEqual({
      code: 2,
      out: "",
      err: "The trace has no column GeneratedTokens; it needs TIMESTAMP, ContextTokens, GeneratedTokens\n"
    })
  })

  it("with a token that is not valid ends with 1 and says why", async () => {
    const { code, err } = await replay([shortTrace, "--seed", "5", "--token", "nonsense"])
    expect(code).toBe(1)
    expect(err).toContain("Unauthorized: The token is missing or not valid")
  })
})

/** A small trace of its own making: bursts of requests of all sizes within an hour. */
const sampleTrace = (count: number): string =>
  [
    "TIMESTAMP,ContextTokens,GeneratedTokens",
    ...Array.from({ length: count }, (_, index) => {
      const at = new Date(Date.UTC(2023, 10, 16, 18) + index * 7_919)
        .toISOString()
        .replace("T", " ")
        .replace("Z", "0000")
      return `${at},${(index * 7_919) % 7_500},${(index * 104_729) % 600}`
    })
  ].join("\n")
