import { MerchantId } from "@credit/domain/Ids"
import { InvalidRequest } from "@credit/domain/Refusal"
import type { MerchantDatabase as Opened } from "@credit/server/merchants/MerchantDatabase"
import { analysis, snapshot } from "@credit/server/merchants/Snapshot"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import {
  createMerchantDatabase,
  type MerchantDatabase,
  openSession,
  type Session
} from "../../../../test/utils/Postgres.ts"
import { openDatabases, type TestDatabases, urlsOf } from "../utils/Databases.ts"

describe("a read", () => {
  let database: MerchantDatabase
  let databases: TestDatabases
  let owner: Session
  let merchant: Opened
  beforeAll(async () => {
    database = await createMerchantDatabase(inject("adminUrl"), { merchantId: "reader" })
    owner = await openSession(database.ownerUrl)
    // One connection: what one read leaves behind would meet the next.
    databases = await openDatabases([urlsOf("reader", database.runtimeUrl)], { MERCHANT_POOL_SIZE: "1" })
    merchant = await Effect.runPromise(databases.databases.get(MerchantId.make("reader")))
  })
  afterAll(async () => {
    await databases.close()
    await owner.close()
    await database.drop()
  })

  const accounts = "SELECT (SELECT count(*) FROM public.accounts)::text AS json"
  const settings = `SELECT to_json(concat_ws(' ', current_setting('transaction_read_only'),
    current_setting('transaction_isolation'), current_setting('statement_timeout')))::text AS json`

  it("can write nothing, and leaves its session as it was", async () => {
    const written = await Effect.runPromise(
      Effect.exit(snapshot(merchant, (read) => read("INSERT INTO public.accounts (user_id) VALUES ('x')")))
    )
    assert.isTrue(Exit.isFailure(written) && Cause.hasDies(written.cause))
    const inside = await Effect.runPromise(snapshot(merchant, (read) => read<string>(settings)))
    assert.strictEqual(inside, "on repeatable read 3s")
    assert.strictEqual(
      await Effect.runPromise(analysis(merchant, (read) => read<string>(settings))),
      "on repeatable read 8s"
    )
    assert.strictEqual(await Effect.runPromise(merchant.json<string>(settings)), "off read committed 5s")
  })

  it("sees one state of the database from its first statement to its last", async () => {
    const [before, after] = await Effect.runPromise(
      snapshot(merchant, (read) =>
        Effect.gen(function* () {
          const first = yield* read<number>(accounts)
          yield* Effect.promise(() => owner.query("INSERT INTO public.accounts (user_id) VALUES ('meanwhile')"))
          return [first, yield* read<number>(accounts)] as const
        })
      )
    )
    assert.strictEqual(after, before)
    assert.strictEqual(await Effect.runPromise(snapshot(merchant, (read) => read<number>(accounts))), before + 1)
  })

  it("that fails or is cut short by its limit leaves the connection fit for the next", async () => {
    const refused = new InvalidRequest({ field: "at", message: "no" })
    const failed = await Effect.runPromise(Effect.flip(snapshot(merchant, () => Effect.fail(refused))))
    assert.strictEqual(failed, refused)
    const cut = snapshot(merchant, (read) =>
      Effect.andThen(
        read("SELECT to_json(set_config('statement_timeout', '20ms', true))::text AS json"),
        read("SELECT to_json(pg_sleep(10)::text)::text AS json")
      )
    )
    assert.strictEqual((await Effect.runPromise(Effect.flip(cut)))._tag, "ServiceUnavailable")
    assert.isAtLeast(await Effect.runPromise(snapshot(merchant, (read) => read<number>(accounts))), 0)
    assert.strictEqual(merchant.status.connections, 1)
    assert.strictEqual(merchant.status.inUse, 0)
  })
})
