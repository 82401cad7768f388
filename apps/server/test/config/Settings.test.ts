import { Settings } from "@credit/server/config/Settings"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { assert, describe, it } from "vitest"

const secret = "a secret of at least thirty-two bytes"

const load = (environment: Readonly<Record<string, string>>) =>
  Effect.runPromise(
    Effect.result(
      Effect.provide(
        Settings,
        Settings.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment }))))
      )
    )
  )

const problems = async (environment: Readonly<Record<string, string>>) => {
  const result = await load(environment)
  return result._tag === "Failure" ? result.failure.problems : []
}

describe("settings", () => {
  it("have defaults for all but the secret", async () => {
    const result = await load({ JWT_SECRET: secret })
    if (result._tag === "Failure") throw result.failure
    const settings = result.success
    assert.strictEqual(settings.port, 3000)
    assert.strictEqual(settings.bindAddress, "127.0.0.1")
    assert.strictEqual(settings.maximumBodyBytes, 262_144)
    assert.strictEqual(Duration.toMillis(settings.requestDeadline), 10_000)
    assert.strictEqual(settings.merchantPoolSize, 8)
    assert.strictEqual(settings.totalPoolSize, 90)
  })

  it("bind every interface in production, unless told otherwise", async () => {
    const production = { JWT_SECRET: secret, NODE_ENV: "production" }
    const everywhere = await load(production)
    assert.strictEqual(everywhere._tag === "Success" && everywhere.success.bindAddress, "0.0.0.0")
    const one = await load({ ...production, HOST: "::1" })
    assert.strictEqual(one._tag === "Success" && one.success.bindAddress, "::1")
  })

  const refused: ReadonlyArray<
    readonly [name: string, environment: Readonly<Record<string, string>>, problem: RegExp]
  > = [
    ["no secret", {}, /^JWT_SECRET is missing/],
    ["an empty secret", { JWT_SECRET: "" }, /^JWT_SECRET is missing/],
    ["a short secret", { JWT_SECRET: "x".repeat(31) }, /^JWT_SECRET is too short/],
    ["a short previous secret", { JWT_SECRET: secret, JWT_SECRET_PREVIOUS: "x" }, /^JWT_SECRET_PREVIOUS is too short/],
    ["a secret and an identity provider", { JWT_SECRET: secret, JWT_JWKS_URL: "https://a.example" }, /both set/],
    ["an identity provider in the clear", { NODE_ENV: "production", JWT_JWKS_URL: "http://a.example/" }, /https/],
    ["a port that is none", { JWT_SECRET: secret, PORT: "http" }, /^PORT: /],
    ["a port beyond all", { JWT_SECRET: secret, PORT: "70000" }, /^PORT: .*65535/],
    ["a duration that is none", { JWT_SECRET: secret, REQUEST_DEADLINE: "soon" }, /^REQUEST_DEADLINE: /],
    ["a duration of nothing", { JWT_SECRET: secret, REQUEST_DEADLINE: "0 seconds" }, /^REQUEST_DEADLINE: /],
    [
      "a duration longer than a timer's",
      { JWT_SECRET: secret, REQUEST_DEADLINE: "30 days" },
      /^REQUEST_DEADLINE: .*1d/
    ],
    ["no end", { JWT_SECRET: secret, REQUEST_DEADLINE: "Infinity" }, /^REQUEST_DEADLINE: /],
    ["a negative pool", { JWT_SECRET: secret, MERCHANT_POOL_SIZE: "-1" }, /^MERCHANT_POOL_SIZE: /],
    ["a pool of 1.5", { JWT_SECRET: secret, MERCHANT_POOL_SIZE: "1.5" }, /^MERCHANT_POOL_SIZE: /],
    ["an environment that there is not", { JWT_SECRET: secret, NODE_ENV: "staging" }, /^NODE_ENV: /]
  ]
  for (const [name, environment, problem] of refused) {
    it(`are refused in one line that names the variable and not its value: ${name}`, async () => {
      const found = await problems(environment)
      assert.lengthOf(found, 1)
      assert.match(found[0] ?? "", problem)
      assert.notInclude(found[0], "\n")
      assert.notInclude(found[0], secret)
    })
  }

  it("tell all that is wrong at once", async () => {
    assert.lengthOf(await problems({ PORT: "x", MERCHANT_POOL_SIZE: "x" }), 2)
  })

  it("keep secrets from being printed", async () => {
    const result = await load({ JWT_SECRET: secret })
    if (result._tag === "Failure") throw result.failure
    assert.notInclude(JSON.stringify(result.success), secret)
    assert.isTrue(Redacted.isRedacted(result.success.jwtSecret.pipe((it) => (it._tag === "Some" ? it.value : it))))
  })
})
