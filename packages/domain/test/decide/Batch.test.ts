import { type Command, decideBatch } from "@credit/domain/decide/Batch"
import { keyId } from "@credit/domain/decide/Idempotency"
import { DAY, HOUR } from "@credit/domain/Timestamp"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { expectReadable, operationOf } from "../support/Answers.ts"
import { advanceClock, cancel, close, grant, open, purchase, welcome } from "../support/Commands.ts"
import { forAll } from "../support/forAll.ts"
import { Ledger } from "../support/Ledger.ts"
import { commandsOf, ledgerFor, moveOn, play, users, walk } from "../support/Walk.ts"

const anyLife = walk({ clock: "any" })

describe("a batch of commands", () => {
  it("answers and leaves the same as its commands one by one, in their order", () => {
    let opened = 0
    forAll([anyLife], (life) => {
      const together = ledgerFor(life)
      const alone = ledgerFor(life)
      const sent: Array<Command> = []
      for (const step of life.steps) {
        if (step.kind !== "batch") {
          for (const ledger of [together, alone]) moveOn(ledger, step)
          continue
        }
        // Each command is made when the ones before it are done, so that it may name what they opened.
        const commands: Array<Command> = []
        const answers = step.drafts.flatMap((draft) => {
          const made = commandsOf(alone, [draft], sent)
          commands.push(...made)
          return made.map((command) => alone.send(command))
        })
        const batch = together.run(commands)
        expect(batch.answers.map((it) => [it.tag, it.response])).toEqual(answers.map((it) => [it.tag, it.response]))
        expect(together.snapshot()).toEqual(alone.snapshot())
        opened += batch.facts.opened.filter((it) => it.status === "closed").length
      }
    })
    expect(opened, "operations opened and closed within one batch").toBeGreaterThan(0)
  })

  it("may open, close and reopen for one user, and advance a sandbox's clock", () => {
    const commands = [
      grant("ada", 100, 1),
      open("ada", { estimatedAmount: "60" }),
      // The ids of a test's ledger are counted: the lot, its entry, then the operation.
      close("00000000-0000-7000-8000-000000000003", "70"),
      close("00000000-0000-7000-8000-000000000003", "70"),
      advanceClock(25),
      open("ada"),
      grant("ada", 5, 1),
      open("ada")
    ]
    const together = new Ledger({ sandbox: true })
    const alone = new Ledger({ sandbox: true })
    const { answers } = together.run(commands)
    expect(answers.map((it) => it.response)).toEqual(commands.map((it) => alone.send(it).response))
    expect(together.snapshot()).toEqual(alone.snapshot())
    expect(answers.map((it) => it.outcome)).toEqual([
      ...Array.from({ length: 5 }, () => "succeeded"),
      "InsufficientBalance",
      "succeeded",
      "succeeded"
    ])
  })

  it("has one answer for each command, which a client of the contract can read to the last field", () => {
    forAll([anyLife], (life) => {
      play(life, ({ answers, commands }) => {
        expect(answers).toHaveLength(commands.length)
        for (const [index, command] of commands.entries()) {
          const answer = answers[index]
          if (answer === undefined) throw new Error("A command without an answer")
          expectReadable(command.intent.type, answer)
          const meta = { transactionId: command.transactionId, replayed: answer.tag === "Replayed" }
          expect(answer.value?.meta ?? answer.error?.meta).toEqual(meta)
        }
      })
    })
  })

  it("leaves the state it is decided on as it is", () => {
    forAll(
      [anyLife, fc.nat()],
      (life, seed) => {
        const ledger = play(life)
        const commands = users.flatMap((user, index) => [
          welcome(user),
          grant(user, 50, 1),
          open(user, { estimatedAmount: "20" }),
          purchase(user, `payment-${(seed + index) % 12}`),
          ...[...ledger.operations.keys()].slice(-3).map((operationId) => close(operationId, "10"))
        ])
        ledger.advance(36 * HOUR)
        const state = ledger.load()
        const before = structuredClone(state)
        decideBatch(state, commands, ledger.newId)
        expect(state).toEqual(before)
      },
      50
    )
  })

  it("is nothing when it is empty", () => {
    const ledger = new Ledger()
    const before = ledger.snapshot()
    expect(ledger.run([]).answers).toEqual([])
    expect(ledger.snapshot()).toEqual(before)
  })
})

describe("a refusal", () => {
  it("books its account's due releases and expiries, and nothing else", () => {
    let withDue = 0
    forAll(
      [walk({ clock: "any", batch: 1 })],
      (life) => {
        play(life, ({ answers: [answer], commands: [command], facts, ledger }) => {
          if (answer?.tag !== "Decided" || answer.outcome === "succeeded" || command === undefined) return
          expect(facts.entries.every((entry) => entry.reason === "expiry")).toBe(true)
          expect(facts.changed.every((operation) => operation.status === "expired")).toBe(true)
          expect([facts.lots, facts.opened, facts.purchases, facts.welcomed]).toEqual([[], [], [], []])
          if (facts.entries.length > 0) withDue += 1
          if (command.dryRun) return
          expect(facts.keys).toMatchObject([{ state: "FAILED_FINAL", response: answer.response }])
          const stored = ledger.keys.get(keyId(command.intent.type, command.key))
          expect(stored).toMatchObject({ state: "FAILED_FINAL", response: answer.response })
        })
      },
      200
    )
    expect(withDue, "refusals with something due").toBeGreaterThan(0)
  })
})

describe("a dry run", () => {
  const lived = () => {
    const ledger = new Ledger()
    ledger.send(grant("ada", 50, 1))
    ledger.send(grant("ada", 100, 5))
    const { operationId } = operationOf(ledger.send(open("ada", { estimatedAmount: "30", timeoutMinutes: 24 * 60 })))
    ledger.send(purchase("bob", "pay-1"))
    ledger.advance(DAY + HOUR)
    return { ledger, operationId }
  }
  const dryRun = true

  it("answers as the command would, and stores nothing: no entry, no number, no key, nothing due", () => {
    const { ledger, operationId } = lived()
    const before = ledger.snapshot()
    const commands = (options: { dryRun?: boolean }) => [
      purchase("ada", "pay-2", options),
      welcome("ada", options),
      open("ada", { ...options, estimatedAmount: "10" }),
      open("ada", { ...options, estimatedAmount: "1000" }),
      close(operationId, "10", options),
      cancel(operationId, options),
      grant("bob", 5, 1, options)
    ]
    for (const [index, command] of commands({ dryRun }).entries()) {
      const answer = ledger.send(command)
      expect(ledger.snapshot()).toEqual(before)
      const inEarnest = commands({})[index]
      const other = lived()
      if (inEarnest === undefined) throw new Error("No such command")
      expect(other.ledger.send(inEarnest).outcome).toBe(answer.outcome)
    }
  })

  it("is decided on what the batch did before it, and is not seen by what comes after it", () => {
    const ledger = new Ledger()
    const { answers } = ledger.run([
      open("ada", { dryRun }),
      grant("ada", 10, 1),
      open("ada", { dryRun }),
      open("ada"),
      open("ada", { dryRun })
    ])
    expect(answers.map((it) => it.outcome)).toEqual([
      "InsufficientBalance",
      "succeeded",
      "succeeded",
      "succeeded",
      "OperationUnavailable"
    ])
  })

  it("takes no receipt number: the purchase in earnest gets the one that was shown", () => {
    const ledger = new Ledger()
    const shown = ledger.send(purchase("ada", "pay-1", { dryRun })).value?.receipt?.receiptNumber
    ledger.send(purchase("ada", "pay-2", { dryRun }))
    expect(ledger.send(purchase("ada", "pay-1")).value?.receipt?.receiptNumber).toBe(shown)
  })

  it("leaves its key free", () => {
    const ledger = new Ledger()
    expect(ledger.send(grant("ada", 5, 1, { key: "k", dryRun })).tag).toBe("Decided")
    expect(ledger.send(grant("ada", 6, 1, { key: "k" })).tag).toBe("Decided")
    expect(ledger.balance("ada").balance).toBe(6)
  })

  it("changes nothing in any life of a merchant", () => {
    forAll([anyLife], (life) => {
      const ledger = play(life)
      ledger.advance(12 * HOUR)
      const before = ledger.snapshot()
      const sent: Array<Command> = []
      const drafts = life.steps.flatMap((step) => (step.kind === "batch" ? step.drafts : []))
      ledger.run(
        commandsOf(
          ledger,
          drafts.map((draft) => ({ ...draft, dryRun })),
          sent
        )
      )
      expect(ledger.snapshot()).toEqual(before)
    })
  })
})

describe("the audit log", () => {
  it("has every command of admins that was decided, with its outcome; a replay, a conflict or a dry run adds none", () => {
    const ledger = new Ledger()
    const first = grant("ada", 5, 1, { key: "k" })
    const { facts } = ledger.run([
      first,
      first,
      grant("ada", 6, 1, { key: "k" }),
      grant("ada", 6, 1, { dryRun: true }),
      advanceClock(1),
      welcome("ada")
    ])
    expect(facts.audited.map(({ command, outcome }) => [command.intent.type, command.key, outcome])).toEqual([
      ["Grant.Apply", "k", "succeeded"],
      ["Sandbox.AdvanceClock", expect.any(String), "NotASandbox"]
    ])
  })
})
