import { describe, expect, it } from "vitest"
import { cli, json, quickly } from "./support/Cli.ts"

const settle = (user: string, payment: string, ...more: ReadonlyArray<string>) =>
  cli([
    ...["purchase", "settle", "--user", user, "--product", "starter", "--payment", payment],
    ...["--amount", "9.99", "--currency", "USD", "--country", "DE", ...more]
  ])

describe.concurrent("What happens to a user", () => {
  it("a purchase, an operation and its cost are told as they are, in text and in JSON", async () => {
    const bought = await settle("ann", "users-ann")
    expect(bought).toMatchObject({ code: 0, stderr: "" })
    expect(bought.stdout).toMatch(/^ann bought 100 credits\n/)
    expect(bought.stdout).toMatch(/\nreceipt +R-\d{4}-\d{4}\n/)
    expect(bought.stdout).toMatch(/\nidempotency key +[0-9a-f-]{36}\n$/)

    const opened = json(
      await quickly(["operation", "open", "--user", "ann", "--type", "llm_tokens", "--estimate", "4", "--json"])
    )
    expect(opened).toMatchObject({ operation: { userId: "ann", held: 3, status: "open" }, dryRun: false })
    const { operationId } = Object(opened.operation)

    const listed = await cli(["operation", "list", "ann"])
    expect(listed.stdout).toMatch(/^OPERATION +TYPE +HELD +OPENED +EXPIRES +WORKFLOW\n/)
    expect(listed.stdout).toContain(operationId)

    const closed = await cli(["operation", "close", operationId, "--used", "3.271"])
    expect(closed).toMatchObject({ code: 0, stderr: "" })
    expect(closed.stdout).toMatch(/^Closed: 3\.271 K_TOKENS for 2 credits\n/)
    expect((await cli(["operation", "show", operationId])).stdout).toMatch(/\ncost +2 credits\n/)
    expect(json(await cli(["operation", "show", operationId, "--json"]))).toMatchObject({
      status: "closed",
      finalCost: 2
    })

    const balance = await cli(["user", "balance", "ann"])
    expect(balance.stdout).toMatch(/^user +ann\nbalance +98 credits\navailable +98\n/)
    expect(json(await quickly(["user", "balance", "ann", "--json"]))).toMatchObject({ balance: 98, activeLots: [{}] })

    const history = await cli(["user", "history", "ann"])
    expect(history.stdout.split("\n").map((line) => line.replaceAll(/ +/g, " ").trim())).toEqual([
      "# WHEN REASON AMOUNT BALANCE FOR",
      expect.stringMatching(/^2 \S+ \S+Z debit -2 98 llm_tokens 3\.271 K_TOKENS$/),
      expect.stringMatching(/^1 \S+ \S+Z purchase \+100 100$/),
      ""
    ])
    expect(json(await quickly(["user", "history", "ann", "--reason", "purchase", "--json"]))).toMatchObject({
      entries: [{ reason: "purchase", amount: 100 }]
    })

    expect((await cli(["user", "lots", "ann", "--active"])).stdout).toMatch(/purchase starter +100 +98/)
    expect(json(await quickly(["user", "lots", "ann", "--json"]))).toMatchObject({ lots: [{ creditsRemaining: 98 }] })

    const receipts = json(await quickly(["receipt", "list", "ann", "--json"]))
    const { receiptNumber } = Object(receipts.receipts)[0]
    expect((await cli(["receipt", "list", "ann"])).stdout).toContain(receiptNumber)
    expect((await cli(["receipt", "show", receiptNumber])).stdout).toMatch(/\npayment +users-ann\n/)
    expect(json(await quickly(["receipt", "show", "users-ann", "--by-payment", "--json"]))).toMatchObject({
      receiptNumber
    })
  })

  it("a manual grant lasts a year and says manual_grant unless told otherwise", async () => {
    const granted = json(
      await quickly(["grant", "apply", "--merchant", "shop", "--user", "gil", "--credits", "50", "--json"])
    )
    const { expiresAt, issuedAt } = Object(granted.lot)
    expect(Date.parse(expiresAt) - Date.parse(issuedAt)).toBe(365 * 24 * 3_600_000)
    const told = await cli(["grant", "apply", "--user", "gil", "--credits", "5", "--reason", "sorry", "--period", "30"])
    expect(told.stdout).toMatch(/^Granted 5 credits to gil\n/)
    const { entries } = json(await quickly(["user", "history", "gil", "--json"]))
    expect(entries).toMatchObject([{ note: "sorry" }, { note: "manual_grant" }])
  })

  it("a welcome is given once, a promotion as its product says", async () => {
    expect((await cli(["grant", "apply", "--user", "wil", "--welcome"])).stdout).toMatch(/^Granted 20 credits to wil\n/)
    expect((await cli(["grant", "apply", "--user", "wil", "--product", "launch"])).code).toBe(0)
    const again = await cli(["grant", "apply", "--user", "wil", "--welcome"])
    expect(again).toMatchObject({ code: 1, stdout: "" })
    expect(again.stderr).toMatch(/^credit-cli: The grant cannot be given: already_granted; /)
  })

  it("what is sent again with its key is not done twice, and answers the same", async () => {
    const once = json(await settle("kay", "users-kay", "--json"))
    const key = String(once.idempotencyKey)
    const again = json(await settle("kay", "users-kay", "--json", "--idempotency-key", key))
    expect(again).toEqual({ ...once, meta: { ...Object(once.meta), replayed: true } })
    const text = await settle("kay", "users-kay", "--idempotency-key", key)
    expect(text.stdout).toMatch(/\nreplayed +yes: this had been done before, and was not done again\n$/)
    expect(json(await quickly(["user", "balance", "kay", "--json"]))).toMatchObject({ balance: 100 })
  })

  it("a key of one's own needs the times that would be now, since each try would have another", async () => {
    const refused = await settle("kim", "users-kim", "--idempotency-key", "mine")
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/--ordered and --settled must be given/)
    const times = ["--ordered", "2026-01-15", "--settled", "2026-01-15T00:00:07Z", "--idempotency-key", "mine"]
    expect((await settle("kim", "users-kim", ...times)).code).toBe(0)
    expect(json(await settle("kim", "users-kim", ...times, "--json"))).toMatchObject({ meta: { replayed: true } })
  })

  it("a dry run shows what would be, and nothing has happened", async () => {
    const dry = await cli(["grant", "apply", "--user", "dee", "--credits", "50", "--dry-run"])
    expect(dry.code).toBe(0)
    expect(dry.stdout).toMatch(/^Dry run, nothing was stored\. It would say: Granted 50 credits to dee\n/)
    expect(json(await quickly(["user", "balance", "dee", "--json"]))).toMatchObject({ balance: 0 })
  })

  it("what cannot be taken back is not done unasked, and with --yes it is", async () => {
    await quickly(["grant", "apply", "--user", "can", "--credits", "50"])
    const opened = json(await quickly(["operation", "open", "--user", "can", "--type", "api_call", "--json"]))
    const { operationId } = Object(opened.operation)
    const unasked = await cli(["operation", "cancel", operationId])
    expect(unasked).toMatchObject({ code: 2, stdout: "" })
    expect(unasked.stderr).toMatch(/--yes/)
    expect(json(await quickly(["operation", "show", operationId, "--json"]))).toMatchObject({ status: "open" })
    const told = await cli(["operation", "cancel", operationId, "--reason", "worker died", "--yes"])
    expect(told.stdout).toMatch(/^Cancelled, 0 credits released\n/)
    expect(json(await quickly(["operation", "show", operationId, "--json"]))).toMatchObject({ status: "cancelled" })
  })

  it("a list goes on where it ended", async () => {
    for (const credits of ["1", "2", "3"]) await quickly(["grant", "apply", "--user", "lia", "--credits", credits])
    const first = await cli(["user", "history", "lia", "--limit", "2"])
    expect(first.stdout.trim().split("\n")).toHaveLength(3)
    const [, cursor = ""] = /^There are more: --cursor (\S+)\n$/.exec(first.stderr) ?? []
    const rest = json(await quickly(["user", "history", "lia", "--cursor", cursor, "--json"]))
    expect(rest).toMatchObject({ entries: [{ amount: 1 }] })
  })
})

describe.concurrent("A user nobody knows", () => {
  it("has nothing, and that is no failure", async () => {
    expect((await cli(["user", "balance", "nobody"])).stdout).toMatch(/\nbalance +0 credits\n/)
    expect((await cli(["user", "history", "nobody"])).stdout).toBe("No entries\n")
    expect((await cli(["user", "lots", "nobody"])).stdout).toBe("No lots\n")
    expect((await cli(["receipt", "list", "nobody"])).stdout).toBe("No receipts\n")
    expect((await cli(["operation", "list", "nobody"])).stdout).toBe("No open operations\n")
  })
})
