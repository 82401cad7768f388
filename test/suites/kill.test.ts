import { spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { freePort } from "../utils/freePort.ts"
import { createMerchantDatabase, type MerchantDatabase, openSession, type Session } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"
import { addSamples } from "../utils/samples.ts"
import { faults } from "../utils/verify.ts"

const replay = fileURLToPath(new URL("../replay/main.ts", import.meta.url))

/** A made-up trace: 600 requests of up to 8,000 tokens, the same ones each time. */
const trace = (): string => {
  const rows = Array.from({ length: 600 }, (_, row) => {
    const seconds = `${Math.floor(row / 60)}`.padStart(2, "0")
    return `2024-03-01 10:${seconds}:${`${row % 60}`.padStart(2, "0")}.5,${(row * 7919) % 7000},${(row * 104729) % 1000}`
  })
  return ["TIMESTAMP,ContextTokens,GeneratedTokens", ...rows].join("\n")
}

describe("A server that is killed in the middle of a replay", () => {
  let database: MerchantDatabase
  let owner: Session
  let token: string
  let folder: string
  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    await addSamples(database)
    owner = await openSession(database.ownerUrl)
    token = await tokenFor("app", database.merchantId)
    folder = await mkdtemp(join(tmpdir(), "credit-replay-"))
    await writeFile(join(folder, "trace.csv"), trace())
  })
  afterAll(async () => {
    await owner.close()
    await database.drop()
    await rm(folder, { recursive: true })
  })

  const startReplay = (url: string, seed = 5) => {
    const child = spawn(
      process.execPath,
      [
        "--conditions=source",
        replay,
        join(folder, "trace.csv"),
        "--users",
        "40",
        "--concurrency",
        "16",
        "--seed",
        `${seed}`,
        "--url",
        url,
        "--token",
        token
      ],
      { stdio: ["ignore", "pipe", "pipe"] }
    )
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
    const ended = new Promise<{ readonly code: number | null; readonly output: string }>((resolve) =>
      child.once("exit", (code) => resolve({ code, output }))
    )
    return { child, ended }
  }

  const entries = async () => Number((await owner.query("SELECT count(*) AS n FROM ledger_entries"))[0]?.n)
  /** Resolves once the ledger has grown to so many entries. */
  const grown = async (to: number): Promise<void> => {
    while ((await entries()) < to);
  }
  const heads = () => owner.query("SELECT user_id, seq, encode(hash, 'hex') AS hash FROM accounts ORDER BY user_id")

  it("loses nothing that was acknowledged and does nothing twice", async () => {
    const port = await freePort()
    let service: Service = await startService([database], { PORT: `${port}` })
    const first = startReplay(service.url)
    for (const entriesAtKill of [60, 200, 380]) {
      await grown(entriesAtKill)
      await service.end("SIGKILL")
      expect(await faults(owner)).toEqual([])
      service = await startService([database], { PORT: `${port}` })
    }
    // The client sends what was cut off again, with the same keys, until the new server answers.
    const { code, output } = await first.ended
    expect(output).toContain("Every cost, hold and balance is as planned.")
    expect(code).toBe(0)
    const after = await heads()

    const second = await startReplay(service.url).ended
    expect(second.output).toMatch(/(\d[\d,]*) of \1 answers were replays of an earlier run/)
    expect(second.code).toBe(0)
    expect(await heads()).toEqual(after)
    expect(await faults(owner)).toEqual([])
    await service.end("SIGTERM")
  })

  it("goes on where a replay that was killed itself had stopped", async () => {
    const service = await startService([database])
    const before = await entries()
    const killed = startReplay(service.url, 6)
    await grown(before + 150)
    killed.child.kill("SIGKILL")
    await killed.ended
    const { code, output } = await startReplay(service.url, 6).ended
    expect(output).toContain("Every cost, hold and balance is as planned.")
    expect(output).not.toMatch(/\b0 of [\d,]+ answers were replays/)
    expect(code).toBe(0)
    expect(await faults(owner)).toEqual([])
    await service.end("SIGTERM")
  })
})
