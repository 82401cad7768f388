import { randomUUID } from "node:crypto"
import { type CreditPromiseClient, isCreditError, makeCreditClient } from "@credit/client"
import { loadMigrations, type MigrationFile } from "@credit/server/migrations/MigrationFile"
import { migrate } from "@credit/server/migrations/Migrations"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createMerchantDatabase, type MerchantDatabase, openSession } from "../utils/Postgres.ts"
import { type Service, startService, tokenFor } from "../utils/Service.ts"

type Element = ReturnType<CreditPromiseClient["migration"]["run"]> extends AsyncIterable<infer E> ? E : never

const collect = async (stream: AsyncIterable<Element>): Promise<ReadonlyArray<Element>> => {
  const elements: Array<Element> = []
  for await (const element of stream) elements.push(element)
  return elements
}

/** The result of a stream, which is its last element. */
const resultOf = (elements: ReadonlyArray<Element>) => {
  const last = elements.at(-1)
  if (last?._tag !== "Done") throw new Error(`ended with ${last?._tag}`)
  return last
}

describe("An operator migrates merchants", () => {
  let files: ReadonlyArray<MigrationFile>
  let service: Service
  let client: CreditPromiseClient
  let current: MerchantDatabase
  let behind: MerchantDatabase
  /** From a time before there were keys. */
  let old: MerchantDatabase
  let edited: MerchantDatabase
  const all = () => [current, behind, old, edited]

  beforeAll(async () => {
    files = await Effect.runPromise(loadMigrations().pipe(Effect.provide(NodeFileSystem.layer)))
    const make = (migrated: boolean) => createMerchantDatabase(inject("adminUrl"), { migrate: migrated })
    ;[current, behind, old, edited] = await Promise.all([make(true), make(false), make(false), make(true)])
    for (const [database, had] of [
      [behind, files.slice(0, -1)],
      [old, files.slice(0, 5)]
    ] as const) {
      await Effect.runPromise(migrate({ url: Redacted.make(database.ownerUrl), files: had }))
      await statement(database, `SELECT app.initialise_merchant('${database.merchantId}', false)::text`)
    }
    await statement(edited, "UPDATE public.migrations SET checksum = 'another' WHERE id = 2")
    const environment = Object.fromEntries([
      ...all().map(({ merchantId, ownerUrl }) => [variable(merchantId, "MIGRATION_DATABASE_URL"), ownerUrl]),
      [variable("m-gone", "DATABASE_URL"), "postgres://nobody@127.0.0.1:1/gone"]
    ])
    service = await startService(all(), environment)
    client = makeCreditClient({ baseUrl: service.url, token: await tokenFor("operator", "ada"), retry: false })
  })
  afterAll(async () => {
    await client.close()
    await service.end("SIGTERM")
    await Promise.all(all().map((database) => database.drop()))
  })

  const variable = (merchantId: string, name: string) =>
    `MERCHANT_${merchantId.toUpperCase().replaceAll("-", "_")}_${name}`
  const statement = async (database: MerchantDatabase, sql: string, parameters: ReadonlyArray<string> = []) => {
    const owner = await openSession(database.ownerUrl)
    try {
      return await owner.query(sql, parameters)
    } finally {
      await owner.close()
    }
  }
  const audited = async (database: MerchantDatabase, key: string) =>
    (await statement(database, "SELECT actor, outcome FROM audit_log WHERE idempotency_key = $1", [key])).map(
      (row) => ({
        ...row
      })
    )
  const status = async () =>
    Object.fromEntries((await client.migration.status({})).merchants.map((it) => [it.merchantId, it]))

  it("sees what each has had and needs, and what is wrong", async () => {
    const merchants = await status()
    const newest = files.length
    expect(Object.keys(merchants)).toEqual(["m-gone", ...all().map(({ merchantId }) => merchantId)].toSorted())
    expect(merchants[current.merchantId]).toMatchObject({ version: newest, servable: true, pending: [] })
    expect(merchants[current.merchantId]?.applied.map(({ id }) => id)).toEqual(files.map(({ id }) => id))
    expect(merchants[behind.merchantId]).toMatchObject({
      version: newest - 1,
      servable: false,
      pending: [{ id: newest, name: files.at(-1)?.name }]
    })
    expect(merchants[edited.merchantId]?.fault?.reason).toBe("edited")
    expect(merchants["m-gone"]?.fault?.reason).toBe("unreachable")
  })

  it("pages through many", async () => {
    const seen: Array<string> = []
    let cursor: string | undefined
    do {
      const page = await client.migration.status({ limit: 1, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.merchants.map(({ merchantId }) => merchantId))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(Object.keys(await status()))
  })

  it("asks first what a run would do, and nothing is done", async () => {
    const key = randomUUID()
    const { merchants } = resultOf(
      await collect(client.migration.run({ merchantIds: [behind.merchantId] }, { idempotencyKey: key, dryRun: true }))
    )
    expect(merchants).toMatchObject([{ outcome: "pending", pending: [{ id: files.length }] }])
    expect((await status())[behind.merchantId]?.servable).toBe(false)
  })

  it("runs all at once: told file by file, one merchant's failure stops no other, each has its part in its own database", async () => {
    const key = randomUUID()
    const elements = await collect(client.migration.run({}, { idempotencyKey: key }))
    const { merchants, meta } = resultOf(elements)
    const outcomes = Object.fromEntries(merchants.map(({ merchantId, outcome }) => [merchantId, outcome]))
    expect(outcomes).toEqual({
      [current.merchantId]: "up_to_date",
      [behind.merchantId]: "migrated",
      [old.merchantId]: "migrated",
      [edited.merchantId]: "failed",
      "m-gone": "failed"
    })
    expect(meta.replayed).toBe(false)
    const applied = elements.flatMap((it) => (it._tag === "Applied" ? [it] : []))
    expect(applied.filter(({ merchantId }) => merchantId === behind.merchantId)).toMatchObject([
      { id: files.length, position: 1, total: 1 }
    ])
    expect(applied.filter(({ merchantId }) => merchantId === old.merchantId).map(({ id }) => id)).toEqual(
      files.slice(5).map(({ id }) => id)
    )
    for (const database of [current, behind, old]) {
      expect((await status())[database.merchantId]?.servable).toBe(true)
      expect(await audited(database, key)).toEqual([{ actor: "ada", outcome: "succeeded" }])
    }

    // Sent again it does what is missing: nothing here but the one that failed.
    await statement(edited, "UPDATE public.migrations SET checksum = $1 WHERE id = 2", [files[1]?.checksum ?? ""])
    const again = resultOf(await collect(client.migration.run({}, { idempotencyKey: key })))
    const parts = Object.fromEntries(again.merchants.map((part) => [part.merchantId, part]))
    expect(parts[behind.merchantId]).toEqual(merchants.find(({ merchantId }) => merchantId === behind.merchantId))
    expect(parts[edited.merchantId]?.outcome).toBe("up_to_date")
    for (const database of all()) expect(await audited(database, key)).toHaveLength(1)
  })

  it("gets a replay as the last element alone, and a conflict for other merchants under the same key", async () => {
    const key = randomUUID()
    const ask = (...merchantIds: ReadonlyArray<string>) =>
      collect(client.migration.run({ merchantIds }, { idempotencyKey: key }))
    await ask(current.merchantId)
    const again = await ask(current.merchantId)
    expect(again.map(({ _tag }) => _tag)).toEqual(["Done"])
    expect(resultOf(again).meta.replayed).toBe(true)
    const error: unknown = await ask(current.merchantId, behind.merchantId).catch((reason: unknown) => reason)
    expect(isCreditError(error) && error).toMatchObject({ _tag: "IntentConflict", fields: ["merchantIds.1"] })
  })
})
