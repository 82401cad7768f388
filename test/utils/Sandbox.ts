import { type CreditPromiseClient, makeCreditClient } from "@credit/client"
import { createMerchantDatabase, openSession, type Session } from "./Postgres.ts"
import { startService, tokenFor } from "./Service.ts"
import { addSamples } from "./samples.ts"

/** When work of a test was done: some time ago, so that no clock minds. */
export const DONE = "2026-01-20T10:00:00Z"

/** Before anything. */
export const EVER = "2020-01-01T00:00:00Z"

/** A service with one merchant, a sandbox with the samples in its catalog, and what a test does with its users. */
export interface Sandbox {
  readonly owner: Session
  readonly app: CreditPromiseClient
  readonly admin: CreditPromiseClient
  clientOf(role: "user" | "app" | "admin", userId?: string): Promise<CreditPromiseClient>
  grant(userId: string, credits: number, accessPeriodDays?: number): ReturnType<CreditPromiseClient["grant"]["apply"]>
  open(userId: string, estimatedAmount?: string, operationTypeCode?: string): Promise<Opened>
  finish(operationId: string, resourceAmount: string): ReturnType<CreditPromiseClient["operation"]["recordAndClose"]>
  /** Opens with an estimate and closes with just that. */
  work(userId: string, amount: string): ReturnType<CreditPromiseClient["operation"]["recordAndClose"]>
  /** Moves the clock, and says what it is then. */
  advance(hours: number): Promise<string>
  /** An instant after everything so far. */
  later(): Promise<string>
  /** The user's present. */
  nowOf(userId: string): Promise<string>
  close(): Promise<void>
}

type Opened = Awaited<ReturnType<CreditPromiseClient["operation"]["open"]>>["operation"]

export const plusHours = (instant: string, hours: number) =>
  new Date(Date.parse(instant) + hours * 3_600_000).toISOString()

export const startSandbox = async (adminUrl: string): Promise<Sandbox> => {
  const database = await createMerchantDatabase(adminUrl, { sandbox: true })
  await addSamples(database)
  const owner = await openSession(database.ownerUrl)
  const service = await startService([database])
  const clientOf: Sandbox["clientOf"] = async (role, userId) =>
    makeCreditClient({ baseUrl: service.url, token: await tokenFor(role, database.merchantId, userId), retry: false })
  const app = await clientOf("app")
  const admin = await clientOf("admin")

  const open: Sandbox["open"] = async (userId, estimatedAmount, operationTypeCode = "llm_tokens") => {
    const estimate = estimatedAmount === undefined ? {} : { estimatedAmount }
    return (await app.operation.open({ userId, operationTypeCode, ...estimate })).operation
  }
  const finish: Sandbox["finish"] = (operationId, resourceAmount) =>
    app.operation.recordAndClose({ operationId, resourceAmount, completedAt: DONE })
  const advance: Sandbox["advance"] = async (hours) => (await admin.sandbox.advanceClock({ hours })).now
  return {
    owner,
    app,
    admin,
    clientOf,
    open,
    finish,
    advance,
    grant: (userId, credits, accessPeriodDays = 30) =>
      admin.grant.apply({ userId, grant: { type: "manual", credits, accessPeriodDays, justification: "a test" } }),
    work: async (userId, amount) => finish((await open(userId, amount, "api_call")).operationId, amount),
    later: async () => new Date(Date.parse(await advance(1)) + 1).toISOString(),
    nowOf: async (userId) => (await app.getUserBalance({ userId })).asOf,
    close: async () => {
      await Promise.all([app.close(), admin.close()])
      await service.end("SIGTERM")
      await owner.close()
      await database.drop()
    }
  }
}
