import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../test/utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../../../test/utils/Service.ts"
import { addSamples } from "../../../test/utils/samples.ts"
import { cli, json, quickly } from "./support/Cli.ts"
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
  it("says that the ledger is intact, and after somebody has changed a balance that it is not: exit code 5", async () => {
    await quickly(["grant", "apply", "--user", "vera", "--credits", "50"], { environment })
    const intact = await cli(["ledger", "verify"], { environment })
    expect(intact.code).toBe(0)
    expect(intact.stdout).toMatch(/^The ledger is intact: 1 account verified\n/)

    await quickly(["grant", "apply", "--user", "vera", "--credits", "1"], { environment })
    const session = await openSession(database.adminUrl)
    try {
      // What the guards refuse takes a superuser who puts them out of force.
      await session.query("SET session_replication_role = replica")
      await session.query("UPDATE public.accounts SET balance = balance + 1000 WHERE user_id = 'vera'")
    } finally {
      await session.close()
    }
    const broken = await cli(["ledger", "verify"], { environment })
    expect(broken.code).toBe(5)
    expect(broken.stderr).toMatch(/vera|1 account/)
    const told = await cli(["ledger", "verify", "--json"], { environment })
    expect(told.code).toBe(5)
    expect(json(told)).toHaveProperty("run")
    expect((await quickly(["job", "status"], { environment })).code).toBe(5)
  })
})
