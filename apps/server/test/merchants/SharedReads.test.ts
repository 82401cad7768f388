import { ServiceUnavailable } from "@credit/rpc/Errors"
import { SharedReads } from "@credit/server/merchants/SharedReads"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert, describe, it } from "vitest"

type Answer = (key: string) => string

/** A database that answers when it is told to, and remembers what it was asked. */
const makeDatabase = () => {
  const asked: Array<ReadonlyArray<string>> = []
  const answers: Array<Deferred.Deferred<Answer, ServiceUnavailable>> = []
  const ended: Array<number> = []
  const arrivals: Array<() => void> = []
  const reads = new SharedReads<string>((keys) =>
    Effect.suspend(() => {
      const number = asked.push(keys) - 1
      const answer = Deferred.makeUnsafe<Answer, ServiceUnavailable>()
      answers.push(answer)
      arrivals.shift()?.()
      return Effect.onInterrupt(Deferred.await(answer), () => Effect.sync(() => ended.push(number)))
    })
  )
  return {
    asked,
    ended,
    get: (key: string) => Effect.runFork(reads.get(key)),
    /** Resolves with the next statement. */
    arrival: () => new Promise<void>((resolve) => arrivals.push(resolve)),
    answer: (statement: number, version: string) => {
      const answer = answers[statement]
      if (answer !== undefined)
        Deferred.doneUnsafe(
          answer,
          Effect.succeed((key) => `${key}@${version}`)
        )
    },
    fail: (statement: number) => {
      const answer = answers[statement]
      if (answer !== undefined) {
        Deferred.doneUnsafe(answer, Effect.fail(new ServiceUnavailable({ retryAfterSeconds: 1 })))
      }
    }
  }
}

const answerTo = (fiber: Fiber.Fiber<string, ServiceUnavailable>) => Effect.runPromise(Fiber.join(fiber))

describe("reads that are asked for together", () => {
  it("are one statement, which asks for each key once", async () => {
    const database = makeDatabase()
    const arrived = database.arrival()
    const fibers = ["a", "b", "a"].map(database.get)
    await arrived
    database.answer(0, "1")
    assert.deepStrictEqual(await Promise.all(fibers.map(answerTo)), ["a@1", "b@1", "a@1"])
    assert.deepStrictEqual(database.asked, [["a", "b"]])
  })

  it("are never answered by a statement that began before they were asked", async () => {
    const database = makeDatabase()
    const first = database.arrival()
    const early = database.get("a")
    await first
    // A second one may go at once; from the third on they gather until there is room.
    const second = database.arrival()
    const meanwhile = database.get("a")
    await second
    const late = ["a", "b", "c"].map(database.get)
    const third = database.arrival()
    database.answer(0, "old")
    await third
    database.answer(1, "newer")
    database.answer(2, "newest")
    assert.deepStrictEqual(await Promise.all([early, meanwhile, ...late].map(answerTo)), [
      ...["a@old", "a@newer", "a@newest", "b@newest", "c@newest"]
    ])
    assert.deepStrictEqual(database.asked, [["a"], ["a"], ["a", "b", "c"]])
  })

  it("are ended when the last who waits for them has left, and not before", async () => {
    const database = makeDatabase()
    const arrived = database.arrival()
    const [left = database.get("a"), stays = database.get("b")] = ["a", "b"].map(database.get)
    await arrived
    await Effect.runPromise(Fiber.interrupt(left))
    assert.deepStrictEqual(database.ended, [])
    database.answer(0, "1")
    assert.strictEqual(await answerTo(stays), "b@1")

    const again = database.arrival()
    const alone = database.get("a")
    await again
    await Effect.runPromise(Fiber.interrupt(alone))
    // The statement's own end is told by the next one being sent: it makes room.
    const next = database.arrival()
    const another = database.get("c")
    await next
    database.answer(2, "3")
    assert.strictEqual(await answerTo(another), "c@3")
    assert.deepStrictEqual(database.ended, [1])
  })

  it("fail together, and the next ones are asked anew", async () => {
    const database = makeDatabase()
    const arrived = database.arrival()
    const fibers = ["a", "b"].map(database.get)
    await arrived
    database.fail(0)
    for (const fiber of fibers) {
      const error = await Effect.runPromise(Effect.flip(Fiber.join(fiber)))
      assert.strictEqual(error._tag, "ServiceUnavailable")
    }
    const again = database.arrival()
    const retried = database.get("a")
    await again
    database.answer(1, "2")
    assert.strictEqual(await answerTo(retried), "a@2")
  })
})
