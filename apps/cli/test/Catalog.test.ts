import { mkdtemp, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { cli, json, quickly } from "./support/Cli.ts"

const create = (code: string, ...more: ReadonlyArray<string>) =>
  cli(["product", "create", "--code", code, "--title", `The ${code}`, "--credits", "1000", "--period", "365", ...more])

describe.concurrent("Products", () => {
  it("are created with prices per country, told, and archived", async () => {
    const made = await create("box", "--price", "79.00", "--currency", "USD", "--price-row", "AM:AMD:29900")
    expect(made).toMatchObject({ code: 0, stderr: "" })
    expect(made.stdout).toMatch(/^Created the product box\n/)
    expect(made.stdout).toMatch(/\nprices +\*:USD:79, AM:AMD:29900\n/)
    expect((await cli(["product", "list", "--status", "active"])).stdout).toMatch(
      /\nbox +The box +1,000 +365 +\*:USD:79/
    )
    expect((await quickly(["product", "archive", "box"])).code).toBe(2)
    expect((await cli(["product", "archive", "box", "--yes"])).stdout).toMatch(/^Archived the product box\n/)
    const { products } = json(await cli(["product", "list", "--status", "archived", "--json"]))
    expect(products).toMatchObject([{ productCode: "box", status: "archived" }])
  })

  it("without a price are grants, which can be given at once", async () => {
    expect(json(await create("spring", "--json"))).toMatchObject({
      product: { distribution: "grant", grantPolicy: "manual" }
    })
    expect((await cli(["grant", "apply", "--user", "pia", "--product", "spring"])).code).toBe(0)
  })

  it("are refused where they cannot be, and made twice only in a dry run", async () => {
    expect((await create("odd", "--price", "5")).code).toBe(2)
    expect((await create("odd", "--price-row", "AM:AMD")).code).toBe(2)
    expect((await create("odd", "--price-row", "AM:JPY:1.5")).code).toBe(2)
    expect((await create("odd", "--welcome", "--price-row", "*:USD:5")).code).toBe(2)
    expect((await create("twice", "--dry-run")).code).toBe(0)
    expect((await create("twice")).code).toBe(0)
    const again = await create("twice")
    expect(again).toMatchObject({ code: 1, stdout: "" })
    expect(again.stderr).toMatch(/There is a product of this code already/)
  })
})

describe.concurrent("Rates", () => {
  it("are set in versions, each of which ends the one before", async () => {
    const set = (rate: string, ...more: ReadonlyArray<string>) =>
      cli(["rate", "set", "images", "--rate", rate, "--unit", "IMAGES", ...more])
    expect((await set("4")).stdout).toMatch(
      /^images costs 4 credits per IMAGES\n[\s\S]*replaces +nothing: a new type\n/
    )
    expect(json(await set("4.5", "--json"))).toMatchObject({ replaced: { creditsPerUnit: "4" } })
    expect((await cli(["rate", "list", "--type", "images", "--status", "active"])).stdout).toMatch(
      /images +- +4\.5 +IMAGES/
    )
    expect(json(await quickly(["rate", "list", "--type", "images", "--json"])).operationTypes).toHaveLength(2)
    expect((await set("0")).code).toBe(2)
    expect((await quickly(["rate", "set", "images", "--rate", "5", "--unit", "OTHER"])).code).toBe(1)
  })
})

describe("A catalog file", () => {
  const file = async (text: string, name = "catalog.toml") => {
    const path = join(await mkdtemp(join(tmpdir(), "credit-cli-catalog-")), name)
    await writeFile(path, text)
    return path
  }

  const wanted = `
    [[products]]
    code = "mega"
    title = "Mega"
    credits = 10000
    period = 365
    prices = ["*:USD:700", "AM:AMD:250000"]

    [[rates]]
    type = "video"
    unit = "MINUTES"
    rate = "2.50"`

  it("is shown as a difference, made, and then there is nothing left to do", async () => {
    const path = await file(wanted)
    const dry = await cli(["catalog", "apply", path, "--dry-run"])
    expect(dry).toMatchObject({ code: 0, stderr: "" })
    expect(dry.stdout).toMatch(/\n\+ +product +mega +create /)
    expect(dry.stdout).toMatch(/\n\+ +rate +video +set +2\.5 credits per MINUTES\n/)
    expect(dry.stdout).toMatch(/2 changes; nothing was stored\n$/)
    expect((await quickly(["catalog", "apply", path])).code).toBe(2)
    expect(json(await quickly(["catalog", "apply", path, "--yes", "--json"]))).toMatchObject({ applied: 2 })
    const again = await cli(["catalog", "apply", path, "--yes"])
    expect(again).toMatchObject({ code: 0, stderr: "" })
    expect(again.stdout).toMatch(/\nNothing to change\n$/)
    expect(
      json(await quickly(["catalog", "apply", await file(JSON.stringify({ rates: [] }), "c.json"), "--yes", "--json"]))
    ).toMatchObject({
      applied: 0
    })
  })

  it("that would edit a product is a conflict: exit code 5, and nothing is changed", async () => {
    await quickly(["catalog", "apply", await file(wanted), "--yes"])
    const dearer = await file(
      `${wanted.replace("700", "800")}\n[[rates]]\ntype = "audio"\nunit = "MINUTES"\nrate = "1"`
    )
    const ended = await cli(["catalog", "apply", dearer, "--yes"])
    expect(ended.code).toBe(5)
    expect(ended.stdout).toMatch(/\n! +product +mega +conflict +prices cannot be changed/)
    expect(json(await quickly(["rate", "list", "--type", "audio", "--json"])).operationTypes).toEqual([])
  })

  it("with a mistake is refused by its place", async () => {
    const wrong = await Promise.all([
      file(wanted.replace('rate = "2.50"', "rate = 2.50")),
      file(wanted.replace("period", "perriod")),
      file(wanted.replace("*:USD:700", "USD 700")),
      file(`${wanted}\n[[rates]]\ntype = "video"\nunit = "MINUTES"\nrate = "3"`),
      file("[[products]"),
      file("{", "c.json")
    ])
    const ended = await Promise.all(
      [...wrong, "/nonexistent.toml"].map((path) => cli(["catalog", "apply", path, "--yes"]))
    )
    for (const { code, stderr, stdout } of ended) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
      expect(stderr).toMatch(/^credit-cli: [^\n]+\n$/)
    }
    expect(ended[0]?.stderr).toContain("rates.0.rate")
  })
})

describe("A merchant", () => {
  const quiet = (...args: ReadonlyArray<string>) => cli(["--merchant", "quiet", ...args])

  it("is configured: what is not named stays, what is cleared goes", async () => {
    const set = await quiet(
      "merchant",
      "configure",
      "--legal-name",
      "Quiet Ltd",
      "--tax-id",
      "77",
      "--receipt-prefix",
      "QU"
    )
    expect(set.stdout).toMatch(/^Configured\n/)
    const { settings } = json(await quiet("merchant", "configure", "--clear", "tax-id", "--json"))
    expect(settings).toMatchObject({ legalName: "Quiet Ltd", receiptPrefix: "QU" })
    expect(settings).not.toHaveProperty("taxId")
    expect((await quiet("merchant", "configure")).code).toBe(2)
    expect((await quiet("merchant", "configure", "--clear", "tax-id", "--tax-id", "78")).code).toBe(2)
    expect((await quiet("merchant", "configure", "--tax-regime", "vat")).code).toBe(1)
  })

  it("is paused and opened again; what is refused meanwhile has changed nothing", async () => {
    expect((await quiet("maintenance", "enter", "--reason", "double charges")).code).toBe(2)
    expect((await quiet("maintenance", "enter", "--yes")).code).toBe(2)
    const paused = await quiet("maintenance", "enter", "--reason", "double charges", "--for", "30m", "--yes")
    expect(paused.code).toBe(0)
    expect(paused.stdout).toMatch(/^quiet is in maintenance: no command commits any more\n/)
    expect(paused.stdout).toMatch(/\nmeant to end +20/)
    expect(paused.stdout).toMatch(/Blocked now[\s\S]*Still open/)
    const refused = await quiet("grant", "apply", "--user", "zoe", "--credits", "5")
    expect(refused).toMatchObject({ code: 1, stdout: "" })
    expect(refused.stderr).toContain("double charges")
    expect((await quiet("user", "balance", "zoe")).code).toBe(0)
    expect(json(await quiet("maintenance", "exit", "--json"))).toMatchObject({ serviceStatus: { status: "ready" } })
    expect((await quiet("grant", "apply", "--user", "zoe", "--credits", "5")).code).toBe(0)
    expect((await quiet("maintenance", "exit", "--force")).stdout).toMatch(/^quiet takes commands again\n/)
  })
})

describe("A receipt", () => {
  it("a receipt as its buyer gets it", async () => {
    const bought = ["purchase", "settle", "--user", "rec", "--product", "starter", "--payment", "catalog-receipt"]
    await quickly([...bought, "--amount", "9.99", "--currency", "USD", "--country", "DE"])
    const text = await cli(["receipt", "show", "catalog-receipt", "--by-payment", "--format", "text"])
    expect(text.stdout).toMatch(/^Receipt R-\d{4}-\d{4}\n/)
    expect((await cli(["receipt", "show", "catalog-receipt", "--by-payment", "--format", "html"])).stdout).toMatch(
      /^<!doctype html>/i
    )
    expect((await cli(["receipt", "show", "catalog-receipt", "--by-payment", "--format", "markdown"])).stdout).toMatch(
      /^# Receipt/
    )
  })
})
