import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { makeCreditClient } from "@credit/client"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { cannotRun } from "../utils/debianPackages.ts"
import { createMerchantDatabase, type MerchantDatabase } from "../utils/Postgres.ts"
import { findPromtool } from "../utils/promtool.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"
import { addSamples, purchaseOf } from "../utils/samples.ts"

const run = promisify(execFile)

describe("The metrics of a service", () => {
  let database: MerchantDatabase
  let service: Service
  let whose: string

  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"))
    whose = `merchant_id="${database.merchantId}"`
    await addSamples(database)
    service = await startService([database], { METRICS_TOKEN: "told-to-prometheus" })
  })
  afterAll(async () => {
    await service.end("SIGTERM")
    await database.drop()
  })

  const scrape = async (token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await fetch(`${service.url}/metrics`, { headers })
    return { status: response.status, text: await response.text() }
  }
  const read = async () => (await scrape("told-to-prometheus")).text
  const value = (text: string, series: string) => {
    const line = text.split("\n").find((it) => it.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  }

  it("are for those who have the token, where one is set", async () => {
    expect((await scrape()).status).toBe(401)
    expect((await scrape("guessed")).status).toBe(401)
    expect((await scrape("told-to-prometheus")).status).toBe(200)
  })

  it("count calls by merchant, RPC and outcome, and the credits that moved", async () => {
    const token = await tokenFor("app", database.merchantId)
    const credits = makeCreditClient({ baseUrl: service.url, token })
    const stranger = makeCreditClient({ baseUrl: service.url, token: "none" })
    const idempotencyKey = "counted"
    await credits.purchase.settled(purchaseOf("ann", "payment-1"), { idempotencyKey })
    await credits.purchase.settled(purchaseOf("ann", "payment-1"), { idempotencyKey })
    await expect(credits.purchase.settled(purchaseOf("bob", "payment-1"), { idempotencyKey })).rejects.toThrow()
    const open = { userId: "ann", operationTypeCode: "api_call", estimatedAmount: "10" }
    const { operation } = await credits.operation.open(open)
    await expect(credits.operation.open({ ...open, estimatedAmount: "100000" })).rejects.toThrow()
    const { operationId } = operation
    await credits.operation.recordAndClose({ operationId, resourceAmount: "7", completedAt: new Date().toISOString() })
    await credits.getUserBalance({ userId: "ann" })
    await expect(stranger.getUserBalance({ userId: "ann" })).rejects.toThrow()
    await Promise.all([credits.close(), stranger.close()])

    const text = await read()
    const calls = (rpc: string, outcome: string, merchant = whose) =>
      value(text, `credit_calls_total{${merchant},rpc="${rpc}",outcome="${outcome}"}`)
    expect(calls("Purchase.Settled", "ok")).toBe(1)
    expect(calls("Purchase.Settled", "replayed")).toBe(1)
    expect(calls("Purchase.Settled", "conflict")).toBe(1)
    expect(calls("Operation.Open", "ok")).toBe(1)
    expect(calls("Operation.Open", "refused")).toBe(1)
    expect(calls("GetUserBalance", "ok")).toBe(1)
    expect(calls("GetUserBalance", "denied", 'merchant_id=""')).toBe(1)
    expect(value(text, `credit_refusals_total{${whose},error="InsufficientBalance"}`)).toBe(1)
    expect(value(text, `credit_ledger_credits_total{${whose},reason="purchase"}`)).toBe(1000)
    expect(value(text, `credit_ledger_credits_total{${whose},reason="debit"}`)).toBe(7)
    expect(value(text, `credit_database_up{${whose}}`)).toBe(1)
    expect(value(text, `credit_queue_depth{${whose}}`)).toBe(0)
    expect(value(text, `credit_accounts_in_debt{${whose}}`)).toBe(0)
    expect(value(text, `credit_job_failing{${whose},job="lot_expiry"}`)).toBe(0)
    expect(value(text, `credit_call_duration_seconds_count{${whose},kind="command"}`)).toBe(6)
  })

  it("are of the form that Prometheus asks for, and the alert rules are about metrics there are", async (context) => {
    const promtool = await findPromtool()
    if (typeof promtool !== "string") {
      cannotRun("the form of metrics and alert rules", promtool)
      return context.skip()
    }
    const text = await read()
    const checked = run(promtool, ["check", "metrics"])
    checked.child.stdin?.end(text)
    expect((await checked).stderr).toBe("")
    const rules = new URL("../../monitoring/alerts.yml", import.meta.url).pathname
    await run(promtool, ["check", "rules", rules])
    await run(promtool, ["test", "rules", rules.replace("alerts.yml", "alerts.test.yml")])
  })
})
