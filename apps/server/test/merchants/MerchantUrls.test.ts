import { MerchantId } from "@credit/domain/Ids"
import { Settings } from "@credit/server/config/Settings"
import { MerchantDirectory } from "@credit/server/merchants/MerchantDirectory"
import { readMerchantUrls } from "@credit/server/merchants/MerchantUrls"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { assert, describe, it } from "vitest"

const url = (database: string) => `postgres://login:hunter2@db.example/${database}`

describe("merchants in the environment", () => {
  it("are named by their own variables", () => {
    const { configured, problems } = readMerchantUrls({
      MERCHANT_ACME_CORP_DATABASE_URL: url("a"),
      MERCHANT_B2_DATABASE_URL: url("b"),
      MERCHANT_B2_MIGRATION_DATABASE_URL: url("owner"),
      DATABASE_URL: url("x"),
      MERCHANT_NAME: "x"
    })
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual([...configured.keys()], [MerchantId.make("acme-corp"), MerchantId.make("b2")])
    const b2 = configured.get(MerchantId.make("b2"))
    assert.strictEqual(b2 && Redacted.value(b2.runtimeUrl), url("b"))
    assert.strictEqual(b2?.migrationUrl && Redacted.value(b2.migrationUrl), url("owner"))
    assert.isUndefined(configured.get(MerchantId.make("acme-corp"))?.migrationUrl)
  })

  const wrong: ReadonlyArray<readonly [name: string, environment: Readonly<Record<string, string>>, problem: RegExp]> =
    [
      [
        "two for one merchant",
        { MERCHANT_A_B_DATABASE_URL: url("a"), "MERCHANT_A-B_DATABASE_URL": url("b") },
        /both name .* a-b$/
      ],
      [
        "two that differ in case",
        { MERCHANT_AB_DATABASE_URL: url("a"), MERCHANT_ab_DATABASE_URL: url("b") },
        /both name/
      ],
      ["an id that begins with a digit", { MERCHANT_1A_DATABASE_URL: url("a") }, /no merchant id/],
      ["an id of one letter", { MERCHANT_A_DATABASE_URL: url("a") }, /no merchant id/],
      ["an id of 32 letters", { [`MERCHANT_${"A".repeat(32)}_DATABASE_URL`]: url("a") }, /no merchant id/],
      ["an id with a dot", { "MERCHANT_AB.C_DATABASE_URL": url("a") }, /no merchant id/],
      ["nothing in it", { MERCHANT_AB_DATABASE_URL: "" }, /is empty/],
      ["no URL", { MERCHANT_AB_DATABASE_URL: "hunter2" }, /is not a URL/],
      ["another kind of URL", { MERCHANT_AB_DATABASE_URL: "https://hunter2@a/b" }, /postgres:/],
      ["no database", { MERCHANT_AB_DATABASE_URL: "postgres://login:hunter2@db" }, /no database/],
      [
        "an owner without a runtime",
        { MERCHANT_AB_MIGRATION_DATABASE_URL: url("a") },
        /has no MERCHANT_<ID>_DATABASE_URL/
      ],
      ["a template without its place", { MERCHANT_DATABASE_URL_TEMPLATE: url("all") }, /\{id\}/]
    ]
  for (const [name, environment, problem] of wrong) {
    it(`are refused in one line that names the variable and not its value: ${name}`, () => {
      const { problems } = readMerchantUrls(environment)
      assert.lengthOf(problems, 1)
      assert.match(problems[0] ?? "", problem)
      assert.notInclude(problems[0], "hunter2")
      assert.include(problems[0], Object.keys(environment)[0])
    })
  }
})

describe("the directory of merchants", () => {
  const directory = (
    variables: Readonly<Record<string, string>>,
    environment: Readonly<Record<string, string>> = { NODE_ENV: "production" }
  ) =>
    Effect.runPromise(
      Effect.result(
        Effect.provide(
          MerchantDirectory,
          MerchantDirectory.layerFrom(variables).pipe(
            Layer.provide(Settings.layer),
            Layer.provide(
              ConfigProvider.layer(ConfigProvider.fromEnv({ env: { JWT_SECRET: "x".repeat(32), ...environment } }))
            )
          )
        )
      )
    )

  it("finds exact ids only", async () => {
    const found = await directory({ MERCHANT_ACME_CORP_DATABASE_URL: url("a") })
    if (found._tag === "Failure") throw found.failure
    const { lookup } = found.success
    assert.isDefined(lookup(MerchantId.make("acme-corp")))
    for (const other of ["acme", "acme-cor", "acme-corp2", "corp"]) assert.isUndefined(lookup(MerchantId.make(other)))
  })

  it("finds by template what no variable names, and says so", async () => {
    const found = await directory({
      MERCHANT_DATABASE_URL_TEMPLATE: url("merchant_{id}"),
      MERCHANT_MIGRATION_DATABASE_URL_TEMPLATE: url("owner_{id}"),
      MERCHANT_ACME_DATABASE_URL: url("special")
    })
    if (found._tag === "Failure") throw found.failure
    const { list, lookup } = found.success
    const acme = lookup(MerchantId.make("acme"))
    const other = lookup(MerchantId.make("other-1"))
    assert.strictEqual(acme && Redacted.value(acme.runtimeUrl), url("special"))
    assert.isFalse(acme?.fromTemplate)
    assert.strictEqual(other && Redacted.value(other.runtimeUrl), url("merchant_other-1"))
    assert.strictEqual(other?.migrationUrl && Redacted.value(other.migrationUrl), url("owner_other-1"))
    assert.isTrue(other?.fromTemplate)
    assert.strictEqual(lookup(MerchantId.make("other-1")), other)
    assert.deepStrictEqual(
      list().map((it) => it.merchantId),
      [MerchantId.make("acme")]
    )
  })

  it("takes in merchants while it runs", async () => {
    const found = await directory({ MERCHANT_ACME_DATABASE_URL: url("a") })
    if (found._tag === "Failure") throw found.failure
    const demo = MerchantId.make("demo")
    found.success.add({
      merchantId: demo,
      runtimeUrl: Redacted.make(url("d")),
      migrationUrl: undefined,
      fromTemplate: false
    })
    assert.isDefined(found.success.lookup(demo))
  })

  it("must name somebody in production, and only there", async () => {
    const nobody = await directory({})
    assert.strictEqual(nobody._tag, "Failure")
    assert.strictEqual((await directory({}, { NODE_ENV: "development" }))._tag, "Success")
  })
})
