import { MAX_CREDITS } from "@credit/domain/Credits"
import { reinstatedUntil } from "@credit/domain/decide/Reversals"
import { clawedBack, reversalStatus } from "@credit/domain/Reversal"
import { DAY, HOUR, timestampText } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Answer, balanceOf, entriesOf, lotOf, operationOf, reversalOf } from "../support/Answers.ts"
import { chargeback, close, debitAdjustment, grant, open, purchase, refund, resolve } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { play, users, walk } from "../support/Walk.ts"

/** Ann bought 100 credits for two days with the reference `pay`. */
const bought = (): Ledger => {
  const ledger = new Ledger()
  ledger.send(purchase("ann", "pay"))
  return ledger
}

const work = (ledger: Ledger, credits: number): void => {
  const { operationId } = operationOf(ledger.send(open("ann", { estimatedAmount: "1" })))
  ledger.send(close(operationId, `${credits}`))
}

const amounts = (answer: Answer) => entriesOf(answer).map(({ amount, lotId }) => [amount, lotId !== undefined])

describe("A refund (rule 10)", () => {
  it("takes the untouched credits back, and says who, why and when", () => {
    const ledger = bought()
    const answer = ledger.send(refund("pay"))
    expect(reversalOf(answer)).toMatchObject({
      externalRef: "pay",
      userId: "ann",
      sequence: 1,
      kind: "refund",
      status: "refunded",
      creditsGiven: 100,
      creditsExpired: 0,
      clawedBack: 100,
      debtIncurred: 0,
      justification: "not as described",
      actor: "olga",
      at: timestampText(ledger.now)
    })
    expect(entriesOf(answer)).toMatchObject([
      {
        amount: -100,
        reason: "refund",
        operationType: "refund",
        resourceAmount: "100",
        resourceUnit: "CREDIT",
        note: "not as described",
        actor: "olga"
      }
    ])
    expect(balanceOf(answer)).toMatchObject({ balance: 0, debt: 0, activeLots: [] })
  })

  it("after a part was spent takes the rest of the lot, then from other lots, each entry with its own amount", () => {
    const ledger = bought()
    work(ledger, 30)
    ledger.send(grant("ann", 50, 300))
    const answer = ledger.send(refund("pay"))
    expect(entriesOf(answer)).toMatchObject([
      { amount: -70, resourceAmount: "70" },
      { amount: -30, resourceAmount: "30" }
    ])
    expect(balanceOf(answer)).toMatchObject({ balance: 20, debt: 0 })
  })

  it("of credits that were all spent is debt, and what was left of other lots goes first", () => {
    const ledger = bought()
    work(ledger, 100)
    ledger.send(grant("ann", 40, 1))
    const answer = ledger.send(refund("pay"))
    expect(amounts(answer)).toEqual([
      [-40, true],
      [-60, false]
    ])
    expect(reversalOf(answer)).toMatchObject({ clawedBack: 100, debtIncurred: 60 })
    expect(balanceOf(answer)).toMatchObject({ balance: -60, debt: 60 })
  })

  it("of a user in debt is more debt", () => {
    const ledger = bought()
    work(ledger, 130)
    const answer = ledger.send(refund("pay"))
    expect(amounts(answer)).toEqual([[-100, false]])
    expect(balanceOf(answer)).toMatchObject({ balance: -130, debt: 130 })
  })

  it("takes nothing once everything expired, whether or not the expiry was booked, and still stands", () => {
    for (const booked of [false, true]) {
      const ledger = bought()
      ledger.advance(2 * DAY)
      if (booked) ledger.send(open("ann", { operationTypeCode: "no-such-type" }))
      const answer = ledger.send(refund("pay"))
      expect(reversalOf(answer)).toMatchObject({ creditsGiven: 100, creditsExpired: 100, clawedBack: 0 })
      expect(entriesOf(answer)).toEqual([])
      expect(ledger.send(refund("pay")).outcome).toBe("PurchaseAlreadyReversed")
    }
  })

  it("after a partial expiry takes back what was spent before, from elsewhere", () => {
    const ledger = bought()
    work(ledger, 30)
    ledger.send(grant("ann", 50, 300))
    ledger.advance(3 * DAY)
    const answer = ledger.send(refund("pay"))
    expect(reversalOf(answer)).toMatchObject({ creditsExpired: 70, clawedBack: 30 })
    expect(balanceOf(answer)).toMatchObject({ balance: 20, debt: 0 })
  })

  it("takes what a hold keeps of an expired lot, and the hold stays", () => {
    const ledger = bought()
    ledger.send(open("ann", { estimatedAmount: "60", timeoutMinutes: 3 * 24 * 60 }))
    ledger.advance(2 * DAY)
    const answer = ledger.send(refund("pay"))
    expect(reversalOf(answer)).toMatchObject({ creditsExpired: 40, clawedBack: 60, debtIncurred: 0 })
    expect(balanceOf(answer)).toMatchObject({ balance: 0, held: 60, available: -60 })
  })

  it("counts an expiry that the same batch booked before it", () => {
    const ledger = bought()
    ledger.advance(2 * DAY)
    const { answers } = ledger.run([open("ann", { operationTypeCode: "no-such-type" }), refund("pay")])
    expect(answers.map(({ outcome }) => outcome)).toEqual(["OperationUnavailable", "succeeded"])
    expect(ledger.reversals.get("pay")).toMatchObject([{ expired: 100 }])
  })

  it("works in the batch that settles the purchase, and not in one that only tries it", () => {
    const ledger = new Ledger()
    const dry = ledger.run([purchase("ann", "pay", { dryRun: true }), refund("pay")])
    expect(dry.answers.map(({ outcome }) => outcome)).toEqual(["succeeded", "PurchaseNotFound"])
    const { answers } = ledger.run([purchase("ann", "pay"), refund("pay"), refund("pay")])
    expect(answers.map(({ outcome }) => outcome)).toEqual(["succeeded", "succeeded", "PurchaseAlreadyReversed"])
  })

  it("happens once: again under another key is a refusal that says by what and when, under the same key the first answer", () => {
    const ledger = bought()
    const first = refund("pay")
    const answer = ledger.send(first)
    const at = timestampText(ledger.now)
    ledger.advance(HOUR)
    expect(ledger.send(refund("pay")).error).toMatchObject({ _tag: "PurchaseAlreadyReversed", by: "refund", at })
    expect(ledger.send(chargeback("pay")).error).toMatchObject({ _tag: "PurchaseAlreadyReversed", by: "refund", at })
    const replay = ledger.send(first)
    expect(replay.tag).toBe("Replayed")
    expect(reversalOf(replay)).toEqual(reversalOf(answer))
    ledger.advance(200 * HOUR)
    // Its key is free again; the purchase is not.
    expect(ledger.send(first).outcome).toBe("PurchaseAlreadyReversed")
  })

  it("of an unknown purchase is refused", () => {
    const ledger = bought()
    for (const it of [refund("other"), chargeback("other"), resolve("other", "won")]) {
      expect(ledger.send(it).error).toMatchObject({ _tag: "PurchaseNotFound" })
    }
  })

  it("beyond the least total is refused, and changes nothing", () => {
    const ledger = bought()
    work(ledger, 100)
    ledger.send(debitAdjustment("ann", MAX_CREDITS - 99))
    const before = ledger.entries.length
    expect(ledger.send(refund("pay")).error).toMatchObject({ _tag: "InvalidRequest", field: "externalRef" })
    expect(ledger.entries).toHaveLength(before)
    expect(ledger.reversals.size).toBe(0)
  })
})

describe("A chargeback", () => {
  it("takes back as a refund does, and its dispute is open", () => {
    const ledger = bought()
    const answer = ledger.send(chargeback("pay", { category: "fraudulent" }))
    expect(reversalOf(answer)).toMatchObject({ kind: "chargeback", status: "charged_back", category: "fraudulent" })
    expect(entriesOf(answer)).toMatchObject([{ amount: -100, reason: "chargeback", note: "fraudulent", actor: "olga" }])
    const at = timestampText(ledger.now)
    for (const again of [refund("pay"), chargeback("pay")]) {
      expect(ledger.send(again).error).toMatchObject({ _tag: "PurchaseAlreadyReversed", by: "chargeback", at })
    }
  })

  it("that is lost stands", () => {
    const ledger = bought()
    ledger.send(chargeback("pay"))
    ledger.advance(HOUR)
    const lost = ledger.send(resolve("pay", "lost"))
    expect(reversalOf(lost)).toMatchObject({
      status: "lost",
      clawedBack: 100,
      resolvedBy: "olga",
      resolvedAt: timestampText(ledger.now)
    })
    expect(entriesOf(lost)).toEqual([])
    expect(balanceOf(lost)).toMatchObject({ balance: 0 })
    expect(ledger.send(refund("pay")).outcome).toBe("PurchaseAlreadyReversed")
    expect(ledger.send(resolve("pay", "won")).error).toMatchObject({ _tag: "ChargebackNotOpen", status: "lost" })
  })

  it("that is won gives back exactly what was taken, once, for as long as the lot had left", () => {
    const ledger = bought()
    work(ledger, 30)
    ledger.advance(6 * HOUR)
    ledger.send(chargeback("pay"))
    expect(ledger.balance("ann")).toMatchObject({ balance: -30, debt: 30 })
    ledger.advance(100 * DAY)
    const won = ledger.send(resolve("pay", "won"))
    expect(lotOf(won)).toMatchObject({
      source: "reinstatement",
      productCode: "starter",
      creditsTotal: 100,
      creditsRemaining: 70,
      expiresAt: timestampText(ledger.now + 42 * HOUR)
    })
    expect(entriesOf(won)).toMatchObject([
      { amount: 100, reason: "reinstatement", actor: "olga" },
      { amount: -30, reason: "settlement" },
      { amount: 30, reason: "settlement" }
    ])
    expect(reversalOf(won)).toMatchObject({ status: "won", reinstatementLotId: lotOf(won).lotId })
    expect(balanceOf(won)).toMatchObject({ balance: 70, debt: 0 })
    expect(ledger.send(resolve("pay", "won")).error).toMatchObject({ _tag: "ChargebackNotOpen", status: "won" })
    expect(ledger.send(resolve("pay", "lost")).error).toMatchObject({ _tag: "ChargebackNotOpen", status: "won" })
  })

  it("gives credits back for a day at least", () => {
    forAll([fc.nat(1e12), fc.nat(1e12), fc.nat(1e12)], (expiresAt, chargedBackAt, now) => {
      expect(reinstatedUntil(expiresAt, chargedBackAt, now) - now).toBe(Math.max(expiresAt - chargedBackAt, 24 * HOUR))
    })
    const ledger = bought()
    work(ledger, 30)
    ledger.advance(20 * DAY)
    ledger.send(chargeback("pay"))
    expect(lotOf(ledger.send(resolve("pay", "won")))).toMatchObject({
      creditsTotal: 30,
      expiresAt: timestampText(ledger.now + 24 * HOUR)
    })
  })

  it("that had taken nothing gives nothing back when it is won", () => {
    const ledger = bought()
    ledger.advance(2 * DAY)
    ledger.send(chargeback("pay"))
    const won = ledger.send(resolve("pay", "won"))
    expect(won.value?.lot).toBeUndefined()
    expect(entriesOf(won)).toEqual([])
    expect(reversalOf(ledger.send(refund("pay")))).toMatchObject({ sequence: 2, clawedBack: 0 })
    expect(ledger.send(refund("pay")).outcome).toBe("PurchaseAlreadyReversed")
  })

  it("beyond the largest balance gives nothing back: it is refused, and can be resolved later", () => {
    const ledger = bought()
    ledger.send(chargeback("pay"))
    ledger.send(grant("ann", MAX_CREDITS - 99, 10))
    expect(ledger.send(resolve("pay", "won")).error).toMatchObject({ _tag: "InvalidRequest", field: "externalRef" })
    ledger.send(debitAdjustment("ann", 1))
    expect(ledger.send(resolve("pay", "won")).outcome).toBe("succeeded")
  })

  it("is not open on a purchase that was never charged back, or refunded", () => {
    const ledger = bought()
    expect(ledger.send(resolve("pay", "won")).error).toMatchObject({ _tag: "ChargebackNotOpen", status: "settled" })
    ledger.send(refund("pay"))
    expect(ledger.send(resolve("pay", "won")).error).toMatchObject({ _tag: "ChargebackNotOpen", status: "refunded" })
  })
})

describe("After a won chargeback (rule 9)", () => {
  const reinstated = (): Ledger => {
    const ledger = bought()
    ledger.send(chargeback("pay"))
    ledger.send(resolve("pay", "won"))
    return ledger
  }

  it("the purchase is reversed once more, out of what was given back, and no more", () => {
    const ledger = reinstated()
    work(ledger, 25)
    const answer = ledger.send(refund("pay"))
    expect(reversalOf(answer)).toMatchObject({ sequence: 2, kind: "refund", creditsGiven: 100, clawedBack: 100 })
    expect(amounts(answer)).toEqual([
      [-75, true],
      [-25, false]
    ])
    const at = timestampText(ledger.now)
    ledger.advance(DAY)
    for (const third of [refund("pay"), chargeback("pay")]) {
      expect(ledger.send(third).error).toMatchObject({ _tag: "PurchaseAlreadyReversed", by: "refund", at })
    }
  })

  it("what expired of the reinstatement is not taken", () => {
    const ledger = reinstated()
    work(ledger, 25)
    ledger.advance(2 * DAY)
    expect(reversalOf(ledger.send(refund("pay")))).toMatchObject({
      creditsExpired: 75,
      clawedBack: 25,
      debtIncurred: 25
    })
  })

  it("a second chargeback may be won as well, and then nothing more is reversed", () => {
    const ledger = reinstated()
    ledger.advance(6 * HOUR)
    expect(reversalOf(ledger.send(chargeback("pay")))).toMatchObject({ sequence: 2, status: "charged_back" })
    const won = ledger.send(resolve("pay", "won"))
    expect(lotOf(won)).toMatchObject({ creditsTotal: 100, expiresAt: timestampText(ledger.now + 42 * HOUR) })
    expect(balanceOf(won)).toMatchObject({ balance: 100 })
    expect(ledger.send(refund("pay")).error).toMatchObject({ _tag: "PurchaseAlreadyReversed", by: "chargeback" })
    expect(ledger.send(chargeback("pay")).outcome).toBe("PurchaseAlreadyReversed")
  })

  it("all of it may happen in one batch", () => {
    const ledger = new Ledger()
    const { answers, facts } = ledger.run([
      purchase("ann", "pay"),
      chargeback("pay"),
      resolve("pay", "won"),
      chargeback("pay"),
      resolve("pay", "lost"),
      refund("pay")
    ])
    expect(answers.map(({ outcome }) => outcome)).toEqual([...Array(5).fill("succeeded"), "PurchaseAlreadyReversed"])
    expect(facts.reversals.map(reversalStatus)).toEqual(["won", "lost"])
    expect(facts.resolved).toEqual([])
  })
})

describe("Through any life of a merchant (rules 9 and 10)", () => {
  it("a purchase is clawed back once, or once more after a won chargeback; each time what was given, less what expired", () => {
    const seen = new Map<string, number>()
    forAll(
      [walk({ clock: "any" })],
      (life) => {
        const ledger = play(life)
        for (const reversals of ledger.reversals.values()) {
          expect(reversals.length).toBeLessThanOrEqual(2)
          if (reversals.length === 2) expect(reversals[0]?.resolution?.outcome).toBe("won")
          for (const it of reversals) {
            const status = `${it.sequence} ${reversalStatus(it)}`
            seen.set(status, (seen.get(status) ?? 0) + 1)
          }
        }
        for (const user of users) {
          const all = [...ledger.reversals.values()].flat().filter((it) => it.userId === user)
          const total = (reasons: ReadonlyArray<string>) =>
            ledger.entriesFor(user).reduce((sum, it) => (reasons.includes(it.reason) ? sum + it.amount : sum), 0)
          const sum = (of: typeof all) => of.reduce((sofar, it) => sofar + clawedBack(it), 0)
          expect(total(["refund", "chargeback"])).toBe(0 - sum(all))
          expect(total(["reinstatement"])).toBe(sum(all.filter((it) => it.resolution?.outcome === "won")))
        }
      },
      200
    )
    // A property that met no case proves nothing.
    for (const status of ["1 refunded", "1 charged_back", "1 won", "1 lost"]) {
      expect(seen.get(status) ?? 0, status).toBeGreaterThan(0)
    }
    expect([...seen.keys()].some((status) => status.startsWith("2 "))).toBe(true)
  })
})
