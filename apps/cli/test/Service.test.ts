import { describe, expect, inject, it } from "vitest"
import { freePort } from "../../../test/utils/freePort.ts"
import { cli, json, quickly } from "./support/Cli.ts"

describe.concurrent("How the service is", () => {
  it("the doctor looks at everything, and ends with 5 at the first fault", async () => {
    const well = await cli(["doctor"])
    expect(well).toMatchObject({ code: 0, stderr: "" })
    expect(well.stdout).toMatch(/\naccess +ok +the service accepts the token and serves the merchant\n/)
    const { findings } = json(await cli(["doctor", "--json"]))
    expect(findings).toContainEqual(expect.objectContaining({ name: "clock", state: "ok" }))
    expect(well.stdout).not.toContain(inject("service").operatorToken)

    const bad = await cli(["doctor"], { environment: { CREDIT_SERVICE_JWT: `${inject("service").appToken}x` } })
    expect(bad.code).toBe(5)
    expect(bad.stdout).toMatch(/\naccess +FAULT +The token is missing or not valid/)
    const away = await cli(["doctor", "--url", `http://127.0.0.1:${await freePort()}`])
    expect(away.code).toBe(5)
    expect(away.stderr).toMatch(/^credit-cli: service: Cannot reach /)
  })

  it("a sandbox's clock moves forward, and only a sandbox's", async () => {
    expect((await quickly(["sandbox", "advance", "--hours", "1"])).code).toBe(2)
    expect((await cli(["sandbox", "advance", "--hours", "1", "--yes", "--dry-run"])).stdout).toMatch(/It is now 20/)
    expect(json(await quickly(["sandbox", "advance", "--hours", "1", "--dry-run", "--json"]))).toHaveProperty("now")
    expect((await quickly(["-m", "quiet", "sandbox", "advance", "--hours", "1", "--yes"])).code).toBe(1)
  })
})
