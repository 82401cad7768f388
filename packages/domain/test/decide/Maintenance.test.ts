import { DAY, timestampText } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { advanceClock, close, govern, grant, open, purchase, welcome } from "../support/Commands.ts"
import { Ledger, START } from "../support/Ledger.ts"

const inMaintenance = (until: number | null) => {
  const ledger = new Ledger({ sandbox: true })
  const earlier = grant("ada", 10, 1)
  ledger.send(earlier)
  ledger.advance(2 * DAY)
  ledger.maintenance = { reason: "moving", until }
  return { earlier, ledger }
}

describe("a merchant in maintenance", () => {
  it("refuses every command and stores nothing, not even what is due", () => {
    const { ledger } = inMaintenance(null)
    const before = ledger.snapshot()
    const { answers, facts } = ledger.run([
      grant("ada", 10, 1),
      welcome("ada"),
      purchase("ada", "pay-1"),
      open("ada"),
      close("00000000-0000-7000-8000-ffffffffffff", "1"),
      advanceClock(1),
      govern({ type: "Product.Archive", payload: { productCode: "starter" } }),
      govern({ type: "Merchant.Configure", payload: { legalName: "Other" } }),
      open("ada", { dryRun: true })
    ])
    for (const { error, tag } of answers) {
      expect([tag, error?._tag, error?.reason]).toEqual(["Refused", "MaintenanceMode", "moving"])
    }
    expect(ledger.snapshot()).toEqual(before)
    expect(facts.audited).toEqual([])
  })

  it("tells until when, and when to ask again", () => {
    const refusal = (until: number | null) => {
      const { until: end, retryAfterSeconds } = inMaintenance(until).ledger.send(open("ada")).error ?? {}
      return [end, retryAfterSeconds]
    }
    const now = START + 2 * DAY
    expect(refusal(null)).toEqual([undefined, 30])
    expect(refusal(now + 90_500)).toEqual(["2026-01-03T00:01:30.500Z", 91])
    expect(refusal(now - 1)).toEqual(["2026-01-02T23:59:59.999Z", 1])
  })

  it("still replays what was decided before, and still tells a conflict", () => {
    const { earlier, ledger } = inMaintenance(null)
    expect(ledger.send(earlier).tag).toBe("Replayed")
    expect(ledger.send(grant("ada", 11, 1, { key: earlier.key })).outcome).toBe("IntentConflict")
  })

  it("still tells balances as they are now", () => {
    expect(inMaintenance(null).ledger.balance("ada").balance).toBe(0)
  })

  it("takes a command that it refused, with the same key, once it is over", () => {
    const { ledger } = inMaintenance(null)
    const command = grant("ada", 10, 1)
    ledger.send(command)
    ledger.maintenance = null
    expect([ledger.send(command).tag, ledger.balance("ada").balance]).toEqual(["Decided", 10])
  })
})

const enter = (reason: string, until?: number) =>
  govern({
    type: "Maintenance.Enter",
    payload: { reason, ...(until === undefined ? {} : { until: timestampText(until) }) }
  })
const exit = () => govern({ type: "Maintenance.Exit", payload: {} })

describe("maintenance", () => {
  it("is entered and left by command, each of which leaves an audit row", () => {
    const ledger = new Ledger()
    expect(ledger.send(enter("moving", START + DAY)).value?.serviceStatus).toEqual({
      status: "maintenance",
      reason: "moving",
      until: "2026-01-02T00:00:00.000Z"
    })
    expect(ledger.send(grant("ada", 10, 1)).error).toMatchObject({ _tag: "MaintenanceMode", retryAfterSeconds: 86_400 })
    expect(ledger.send(exit()).value?.serviceStatus).toEqual({ status: "ready" })
    expect(ledger.send(grant("ada", 10, 1)).outcome).toBe("succeeded")
    expect(
      ledger.audited.map(({ command, outcome }) => [command.intent.type, command.sender.subject, outcome])
    ).toEqual([
      ["Maintenance.Enter", "olga", "succeeded"],
      ["Maintenance.Exit", "olga", "succeeded"],
      ["Grant.Apply", "demo", "succeeded"]
    ])
  })

  it("that is entered again has another reason and end; left twice it stays left", () => {
    const ledger = new Ledger()
    ledger.send(enter("moving", START + DAY))
    expect(ledger.send(enter("still moving")).value?.serviceStatus).toEqual({
      status: "maintenance",
      reason: "still moving"
    })
    expect(ledger.maintenance).toEqual({ reason: "still moving", until: null })
    ledger.send(exit())
    expect(ledger.send(exit()).value?.serviceStatus).toEqual({ status: "ready" })
  })

  it("does not end by itself when it was meant to", () => {
    const ledger = new Ledger()
    ledger.send(enter("moving", START + DAY))
    ledger.advance(2 * DAY)
    expect(ledger.send(open("ada")).error).toMatchObject({ _tag: "MaintenanceMode", retryAfterSeconds: 1 })
  })

  it("is idempotent by key: entering again with the first key does not enter again", () => {
    const ledger = new Ledger()
    const first = enter("moving")
    ledger.send(first)
    ledger.send(exit())
    expect(ledger.send(first).tag).toBe("Replayed")
    expect(ledger.maintenance).toBe(null)
  })

  it("ends ahead, within a year", () => {
    const ledger = new Ledger()
    for (const until of [START, START - 1, START + 366 * DAY + 1]) {
      expect(ledger.send(enter("moving", until)).error, timestampText(until)).toMatchObject({ field: "until" })
    }
    expect(ledger.maintenance).toBe(null)
  })
})
