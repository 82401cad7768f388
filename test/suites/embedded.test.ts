import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { makeCreditClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { freePort } from "../utils/freePort.ts"
import { openSession } from "../utils/Postgres.ts"
import { startProcess } from "../utils/Service.ts"
import { purchaseOf } from "../utils/samples.ts"
import { faults } from "../utils/verify.ts"

const main = fileURLToPath(new URL("../../apps/server/src/main.ts", import.meta.url))

describe("npm start with nothing configured", () => {
  let home: string
  let port: number
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "credit-home-"))
    // PostgreSQL's own account must pass when the tests run as root.
    await chmod(home, 0o755)
    port = await freePort()
  })
  afterAll(() => rm(home, { recursive: true }))

  // Its welcome is the last it says: by then the file for scripts is written.
  const start = (at = port) => startProcess(main, { CREDIT_HOME: home, PORT: `${at}` }, at, "npm run replay")
  const access = async () => JSON.parse(await readFile(join(home, "embedded.json"), "utf8"))
  const clientOf = async (merchant: "demo" | "acme", role: "app" | "admin" = "app") => {
    const { merchants, serviceUrl } = await access()
    return makeCreditClient({ baseUrl: serviceUrl, token: merchants[merchant].tokens[role] })
  }

  it("sells the samples to both merchants, and keeps what it sold through kill -9", async () => {
    const service = await start()
    const demo = await clientOf("demo")
    await demo.purchase.settled(purchaseOf("ann", "before-the-kill"))
    await (await clientOf("acme")).grant.apply({ userId: "ann", grant: { type: "welcome" } })
    await service.end("SIGKILL")

    const again = await start()
    expect(await (await clientOf("demo")).getUserBalance({ userId: "ann" })).toMatchObject({ balance: 1000 })
    expect(await (await clientOf("acme")).getUserBalance({ userId: "ann" })).toMatchObject({ balance: 20 })
    // A token of the first start still works: the secret is kept.
    expect(await demo.getUserBalance({ userId: "ann" })).toMatchObject({ balance: 1000 })
    expect(await again.end("SIGTERM")).toBe(0)
  })

  it("keeps its file for scripts to its owner, with a database to look into", async () => {
    const service = await start()
    expect((await stat(join(home, "embedded.json"))).mode & 0o777).toBe(0o600)
    const session = await openSession((await access()).merchants.demo.databaseUrl)
    expect(await faults(session)).toEqual([])
    expect(await session.refusal("UPDATE accounts SET balance = 1")).toMatchObject({ code: "42501" })
    await session.close()
    await service.end("SIGTERM")
  })

  it("takes in a merchant while it runs, and serves it again after a restart", async () => {
    const service = await start()
    const { operatorToken, serviceUrl } = await access()
    const operator = makeCreditClient({ baseUrl: serviceUrl, token: operatorToken })
    let token: string | undefined
    for await (const step of operator.merchant.onboard({ merchantId: "shop", settings: { legalName: "Shop Ltd" } })) {
      if (step._tag === "Done") token = step.token?.token
    }
    if (token === undefined) throw new Error("onboarding gave no token")
    const shop = makeCreditClient({ baseUrl: serviceUrl, token })
    await shop.purchase.settled(purchaseOf("ann", "at-the-shop"))
    await service.end("SIGTERM")
    const again = await start()
    expect(await shop.getUserBalance({ userId: "ann" })).toMatchObject({ balance: 1000 })
    await Promise.all([operator.close(), shop.close()])
    await again.end("SIGTERM")
  })

  it("lets only the sandbox move its clock", async () => {
    const service = await start()
    await (await clientOf("demo", "admin")).sandbox.advanceClock({ hours: 24 })
    const refused = (await clientOf("acme", "admin")).sandbox.advanceClock({ hours: 24 })
    await expect(refused).rejects.toMatchObject({ _tag: "NotASandbox" })
    await service.end("SIGTERM")
  })

  it("says in one line that its port is taken, and leaves the service that has it alone", async () => {
    const service = await start()
    const before = await readFile(join(home, "embedded.json"), "utf8")
    const second = await start().catch((error: unknown) => String(error))
    expect(second).toContain("the port cannot be opened")
    expect(second).toContain("set PORT for another")
    expect(second).not.toContain("    at ")
    expect(await readFile(join(home, "embedded.json"), "utf8")).toBe(before)
    expect(await (await clientOf("demo")).getUserBalance({ userId: "ann" })).toMatchObject({ balance: 1000 })
    await service.end("SIGTERM")
  })

  it("serves from two processes on one home; the file for scripts goes on naming the first while that lives", async () => {
    const one = await start()
    const other = await freePort()
    const two = await startProcess(main, { CREDIT_HOME: home, PORT: `${other}` }, other, "goes on naming")
    const { merchants, serviceUrl } = await access()
    expect(serviceUrl).toBe(one.url)
    const token = merchants.demo.tokens.app
    for (const { url } of [one, two]) {
      expect(await makeCreditClient({ baseUrl: url, token }).getUserBalance({ userId: "ann" })).toMatchObject({
        balance: 1000
      })
    }
    await one.end("SIGKILL")
    expect(await makeCreditClient({ baseUrl: two.url, token }).getUserBalance({ userId: "ann" })).toMatchObject({
      balance: 1000
    })
    await two.end("SIGTERM")
  })
})
