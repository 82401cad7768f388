import { describe, expect, inject, it } from "vitest"
import { cli, json, quickly } from "./support/Cli.ts"

describe("Tokens", () => {
  it("are issued, work, and count no more once revoked", async () => {
    const issued = await cli(["token", "issue", "--role", "admin", "--lifetime", "12h"])
    expect(issued.stdout).toMatch(/^A token for admin shop; it is kept nowhere\n/)
    const key = json(await cli(["token", "issue", "--role", "admin", "--json"]))
    const again = await cli([
      "token",
      "issue",
      "--role",
      "admin",
      "--bare",
      "--idempotency-key",
      String(key.idempotencyKey)
    ])
    expect(again.stdout).toBe(`${key.token}\n`)
    const asAdmin = { environment: { CREDIT_SERVICE_JWT: String(key.token), DEFAULT_MERCHANT_ID: undefined } }
    expect((await cli(["user", "balance", "tom"], asAdmin)).code).toBe(0)
    expect((await quickly(["token", "revoke", String(key.jti)])).code).toBe(2)
    const revoked = await cli(["token", "revoke", String(key.jti), "--note", "laptop lost", "--yes"])
    expect(revoked.stdout).toMatch(/^Revoked: every server refuses it within 60 seconds\n[\s\S]*\nshop +revoked/)
    expect((await quickly(["user", "balance", "tom"], asAdmin)).code).toBe(3)
  })

  it("are revoked by their time of issue, one merchant's and one role's", async () => {
    const before = json(await quickly(["token", "issue", "--role", "user", "--user", "tim", "--json"]))
    const all = ["token", "revoke", "--issued-until-now", "--role", "user", "--yes"]
    expect(json(await quickly([...all, "--json"]))).toMatchObject({
      merchants: [{ merchantId: "shop", outcome: "revoked" }]
    })
    const asUser = { environment: { CREDIT_SERVICE_JWT: String(before.token), DEFAULT_MERCHANT_ID: undefined } }
    expect((await quickly(["user", "balance", "tim"], asUser)).code).toBe(3)
    expect((await quickly(["token", "revoke", "--yes"])).code).toBe(2)
    expect((await quickly([...all, "--idempotency-key", "mine"])).code).toBe(2)
  })
})

describe("Databases", () => {
  it("are told and brought to the newest version, one or all", async () => {
    expect((await cli(["migrate", "status"])).stdout).toMatch(
      /^MERCHANT +VERSION +PENDING +SERVED +FAULT\nshop +\d+ +0 +yes/
    )
    const { merchants } = json(await quickly(["migrate", "status", "--all-merchants", "--json"]))
    expect(merchants).toEqual(
      expect.arrayContaining([expect.objectContaining({ merchantId: "quiet", servable: true })])
    )
    expect((await quickly(["migrate", "run"])).code).toBe(2)
    const run = await cli(["migrate", "run", "--yes"])
    expect(run.stdout).toMatch(/^1 merchant, 0 failed\n[\s\S]*\nshop +up_to_date /)
    expect(run.stderr).toBe("shop: up_to_date\n")
    const lines = (await cli(["migrate", "run", "--yes", "--json"])).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(lines.at(-1)).toMatchObject({
      _tag: "Done",
      merchants: [{ outcome: "up_to_date" }],
      idempotencyKey: expect.any(String)
    })
    expect((await quickly(["migrate", "status"], { environment: { DEFAULT_MERCHANT_ID: undefined } })).code).toBe(2)
    const app = { environment: { CREDIT_SERVICE_JWT: inject("service").appToken } }
    expect((await quickly(["migrate", "status"], app)).code).toBe(3)
  })
})

describe("A merchant", () => {
  it("is onboarded step by step, again with nothing left to do, and then seen as a whole", async () => {
    const onboard = ["merchant", "onboard", "newcomer", "--sandbox", "--legal-name", "Newcomer Ltd"]
    const dry = await cli([...onboard, "--dry-run"])
    expect(dry).toMatchObject({ code: 0 })
    expect(dry.stdout).toMatch(/\ndatabase +would_do/)
    const made = await cli(onboard)
    expect(made.code).toBe(0)
    expect(made.stdout).toMatch(/^newcomer is onboarded\n/)
    expect(made.stdout).toMatch(/\nmigrate +done /)
    expect(made.stdout).toMatch(/\nIts app's token, shown once\n/)
    expect(made.stderr).toMatch(/migrate/)
    const lines = (await cli([...onboard, "--json"])).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(lines.at(-1)).toMatchObject({ _tag: "Done", merchantId: "newcomer" })
    expect(lines.at(-1).steps).toContainEqual(expect.objectContaining({ step: "migrate", outcome: "already_done" }))
    const status = await cli(["-m", "newcomer", "merchant", "status"])
    expect(status.stdout).toMatch(/\nlegal name +Newcomer Ltd\n/)
    expect((await cli(["-m", "newcomer", "product", "list"])).stdout).toMatch(/\nstarter /)
  })

  it("whose setup is not as it must be ends its status with 5, naming the first check", async () => {
    // The throwaway PostgreSQL of the tests keeps no commit through a crash.
    const status = await cli(["merchant", "status", "--json"])
    expect(status.code).toBe(5)
    expect(json(status).checks).toContainEqual(expect.objectContaining({ check: "durability", ok: false }))
    expect(JSON.parse(status.stderr)).toMatchObject({ error: { _tag: "FaultFound" }, exitCode: 5 })
    expect((await quickly(["merchant", "onboard", "UPPER"])).code).toBe(2)
  })
})

describe("Jobs", () => {
  it("are told and run", async () => {
    expect((await quickly(["job", "run", "nothing"])).code).toBe(2)
    const run = await cli(["job", "run", "ledger_verification", "-m", "quiet"])
    expect(run).toMatchObject({ code: 0, stderr: "" })
    expect(run.stdout).toMatch(/^ledger_verification: succeeded\n[\s\S]*\nrows +\d+\n/)
    expect(json(await quickly(["job", "run", "partition_creation", "--dry-run", "--json"]))).not.toHaveProperty("run")
    const status = await cli(["job", "status", "-m", "quiet"])
    expect(status.stdout).toMatch(/^JOB +SCHEDULE +BY +SUCCEEDED +STATE +ERROR\n/)
    expect(status.stdout).toMatch(/\nledger_verification +\S+ \S+ \S+ \S+ \S+ +service +\d+ s ago +succeeded/)
    expect(json(await cli(["job", "status", "-m", "quiet", "--json"]))).toMatchObject({ driftedAccounts: 0 })
  })
})
