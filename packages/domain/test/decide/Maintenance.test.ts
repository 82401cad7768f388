import { DAY } from "@credit/domain/Timestamp"
import { describe, expect, it } from "vitest"
import { advanceClock, close, grant, open, purchase, welcome } from "../support/Commands.ts"
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
