import { type IncomingMessage, request } from "node:http"
import { MerchantId } from "@credit/domain/Ids"
import { Exports } from "@credit/rpc/Exports"
import { AccessLive } from "@credit/server/access/AccessLive"
import { Revocations } from "@credit/server/access/Revocations"
import { Tokens } from "@credit/server/access/Tokens"
import { Settings } from "@credit/server/config/Settings"
import { exportHandlers } from "@credit/server/exports/handlers"
import { exportLedger, PART_SIZE } from "@credit/server/exports/queries"
import { HttpServerLive } from "@credit/server/http/HttpServerLive"
import { rpcRoute } from "@credit/server/http/RpcRoute"
import { MerchantDatabases } from "@credit/server/merchants/MerchantDatabases"
import { MerchantDirectory } from "@credit/server/merchants/MerchantDirectory"
import { Metrics } from "@credit/server/telemetry/Metrics"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../../../../test/utils/Postgres.ts"
import { openDatabases, type TestDatabases, urlsOf } from "../utils/Databases.ts"
import { SECRET, tokenFor } from "../utils/TestService.ts"

const ENTRIES = 50_000
const PARTS = ENTRIES / PART_SIZE

let database: MerchantDatabase
let databases: TestDatabases
beforeAll(async () => {
  database = await createMerchantDatabase(inject("adminUrl"), { merchantId: "exporter" })
  const owner = await openSession(database.ownerUrl)
  await owner.query("ALTER TABLE public.ledger_entries DISABLE TRIGGER USER")
  // Each with a note as long as notes may be: 110 MB in all, and next to nothing where it is stored.
  await owner.query(
    `INSERT INTO public.ledger_entries (entry_id, user_id, seq, lot_id, amount, balance_after, reason, operation_type,
       resource_amount, resource_unit, note, effective_at, created_at, hash)
     SELECT gen_random_uuid(), 'u' || g % 100, 1 + g / 100, gen_random_uuid(), 1, 1, 'manual', 'manual', 1, 'CREDIT',
       repeat('n', 2000), at, at, sha256('')
     FROM generate_series(0, ${ENTRIES - 1}) AS g,
       LATERAL (SELECT date_trunc('month', now(), 'UTC') + g * interval '1 millisecond' AS at) AS clock`
  )
  await owner.close()
  databases = await openDatabases([urlsOf("exporter", database.runtimeUrl)])
})
afterEach(() => vi.restoreAllMocks())
afterAll(async () => {
  await databases.close()
  await database.drop()
})

const merchant = () => Effect.runPromise(databases.databases.get(MerchantId.make("exporter")))

describe("An export of fifty thousand entries", () => {
  it("reads a part only when the one before it was taken", async () => {
    const opened = await merchant()
    const reads = vi.spyOn(opened.analyses, "withPermit")
    const parts = await Effect.runPromise(Stream.runCollect(Stream.take(exportLedger(opened, { format: "csv" }), 3)))
    expect(parts.map(({ entries }) => entries)).toEqual([PART_SIZE, PART_SIZE, PART_SIZE])
    expect(reads.mock.calls.length).toBeLessThanOrEqual(4)
  })

  it("finds a moment of a month among all the others", async () => {
    const opened = await merchant()
    const [first] = await Effect.runPromise(
      Stream.runCollect(Stream.take(exportLedger(opened, { format: "ndjson" }), 1))
    )
    const { createdAt } = JSON.parse(first?.text.split("\n")[0] ?? "")
    const month = Date.parse(`${createdAt.slice(0, 7)}-01T00:00:00Z`)
    const [from, to] = [DateTime.makeUnsafe(month + ENTRIES - 300), DateTime.makeUnsafe(month + ENTRIES - 1)]
    const parts = await Effect.runPromise(Stream.runCollect(exportLedger(opened, { format: "csv", from, to })))
    expect(parts.reduce((sum, { entries }) => sum + entries, 0)).toBe(299)
  })

  it("has no more than one statement at work on a merchant's database, however many export", async () => {
    const opened = await merchant()
    let most = 0
    const watched = Stream.tap(exportLedger(opened, { format: "csv" }), () =>
      Effect.sync(() => {
        most = Math.max(most, opened.status.inUse)
      })
    )
    await Effect.runPromise(
      Effect.all(
        Array.from({ length: 6 }, () => Stream.runDrain(Stream.take(watched, 20))),
        { concurrency: "unbounded" }
      )
    )
    expect(most).toBeLessThanOrEqual(1)
  })

  it("stops for a caller that does not read, and then has every entry once", async () => {
    const opened = await merchant()
    const reads = vi.spyOn(opened.analyses, "withPermit")
    const service = await serve()
    const response = await ask(service.port)
    await standstill(() => reads.mock.calls.length)
    // What is there: some dozens of parts in the service, a few megabytes in the sockets between.
    expect(reads.mock.calls.length).toBeLessThan(PARTS * 0.7)
    const ids = new Set<string>()
    let rest = ""
    for await (const chunk of response.setEncoding("utf8")) {
      const lines = `${rest}${chunk}`.split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        for (const part of JSON.parse(line).values ?? []) {
          for (const entry of part.text.trimEnd().split("\n")) ids.add(JSON.parse(entry).entryId)
        }
      }
    }
    expect(ids.size).toBe(ENTRIES)
    await service.close()
  })
})

/** Resolves when a count has not moved for a while. A machine so slow that it only seems so makes the count smaller. */
const standstill = async (count: () => number) => {
  let still = 0
  for (let last = -1; still < 20; last = count()) {
    still = last === count() && last > 0 ? still + 1 : 0
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The edge with the one handler. */
const serve = async () => {
  const environment = { JWT_SECRET: SECRET, PORT: "0" }
  const service = HttpRouter.serve(rpcRoute(Exports).pipe(Layer.provide([exportHandlers, AccessLive])), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provideMerge(HttpServerLive),
    Layer.provide(Tokens.layer),
    Layer.provide([Revocations.layerNone, Metrics.layer]),
    Layer.provide(Layer.succeed(MerchantDatabases, databases.databases)),
    Layer.provide(Layer.succeed(MerchantDirectory, databases.directory)),
    Layer.provide(Settings.layer),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment })))
  )
  const scope = await Effect.runPromise(Scope.make())
  const { address } = Context.get(await Effect.runPromise(Layer.buildWithScope(service, scope)), HttpServer.HttpServer)
  if (!("port" in address)) throw new Error("the server has no port")
  return { port: address.port, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

/** Asks for an export, and reads nothing of the answer. */
const ask = async (port: number): Promise<IncomingMessage> => {
  const token = await tokenFor({ role: "admin", subject: "exporter" })
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/x-ndjson" }
    const sent = request({ port, path: "/rpc", method: "POST", headers }, resolve)
    sent.on("error", reject)
    sent.end(`${JSON.stringify({ tag: "ExportLedger", payload: { format: "ndjson" } })}\n`)
  })
}
