import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../test/utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../../../test/utils/Service.ts"
import { addSamples } from "../../../test/utils/samples.ts"
import { cli, cliOnTerminal, json, quickly, withoutColours } from "./support/Cli.ts"
import { ownersOf } from "./support/global-setup.ts"

let database: MerchantDatabase
let service: Service
let environment: Readonly<Record<string, string>>

beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { merchantId: `drift-${randomBytes(3).toString("hex")}` })
  await addSamples(database)
  service = await startService([database], ownersOf([database]))
  environment = {
    CREDIT_SERVICE_URL: service.url,
    CREDIT_SERVICE_JWT: await tokenFor("operator", "olga"),
    DEFAULT_MERCHANT_ID: database.merchantId
  }
})

afterAll(async () => {
  await service.end("SIGTERM")
  await database.drop()
})

describe("health", () => {
  it("tells how the service is: to an operator every merchant, to anybody else how many", async () => {
    const text = await cli(["health"], { environment })
    expect(text).toMatchObject({ code: 0, stderr: "" })
    expect(text.stdout).toMatch(/^status +healthy\n/)
    expect(text.stdout).toMatch(new RegExp(`\n${database.merchantId} +healthy\n`))
    const bare = await cli(["health", "--json"], { environment: { ...environment, CREDIT_SERVICE_JWT: "" } })
    expect(json(bare)).toMatchObject({ status: "healthy", merchants: { known: 1, healthy: 1 } })
  })
})

describe("ledger verify", () => {
  it("says that the ledger is intact, and after somebody has changed a balance what is not: exit code 5", async () => {
    await quickly(["grant", "apply", "--user", "vera", "--credits", "50"], { environment })
    const intact = await cli(["ledger", "verify"], { environment })
    expect(intact).toMatchObject({ code: 0, stderr: "" })
    expect(intact.stdout).toMatch(/^The ledger is intact: 1 account, 1 entry, 0 receipts\n\ndigest +[0-9a-f]{64}\n$/)
    const again = json(await quickly(["ledger", "verify", "--json"], { environment }))
    expect(again).toMatchObject({ verdict: "intact", accounts: 1, entries: 1, faults: 0, found: [] })
    expect(intact.stdout).toContain(again.digest)

    const shown = await cliOnTerminal(["ledger", "verify"], { environment })
    expect(withoutColours(shown.stdout)).toMatch(/1 account, 1 entry, up to vera\r*The ledger is intact/)

    const session = await openSession(database.adminUrl)
    try {
      // What the guards refuse takes a superuser who puts them out of force.
      await session.query("SET session_replication_role = replica")
      await session.query("UPDATE public.accounts SET balance = balance + 1000 WHERE user_id = 'vera'")
      await session.query("UPDATE public.receipt_counter SET last_number = 3")
    } finally {
      await session.close()
    }
    const first =
      "account vera: it stands at entry 1 with a balance of 1050 and a debt of 0; its entries come to 1, 50 and 0"
    const broken = await cli(["ledger", "verify"], { environment })
    expect(broken.code).toBe(5)
    expect(broken.stdout).toMatch(/^The ledger is faulty: 2 faults in 1 account, 1 entry, 0 receipts\n/)
    expect(broken.stdout).toContain(`\n- ${first}\n- there is no receipt, and the last number given is 3 of `)
    expect(broken.stderr).toContain(`${first} (and 1 more)\n`)
    const told = await cli(["ledger", "verify", "--json"], { environment })
    expect(told.code).toBe(5)
    expect(json(told)).toMatchObject({
      verdict: "faulty",
      faults: 2,
      found: [{ userId: "vera", problem: first.slice("account vera: ".length) }, {}]
    })
    expect((await quickly(["job", "run", "ledger_verification"], { environment })).code).toBe(5)
    expect((await quickly(["job", "status"], { environment })).code).toBe(5)
  })
})
