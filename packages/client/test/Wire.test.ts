import { AnswerReader, readAnswer } from "@credit/client/Wire"
import { assert, describe, it } from "@effect/vitest"

const exit = (requestId: string, value: unknown) => ({ _tag: "Exit", requestId, exit: { _tag: "Success", value } })

/** Reads a body that arrives in two pieces. */
const read = (body: string, split: number): ReadonlyArray<unknown> => {
  const bytes = new TextEncoder().encode(body)
  const reader = new AnswerReader()
  return [...reader.push(bytes.subarray(0, split)), ...reader.push(bytes.subarray(split)), ...reader.end()]
}

describe("An answer", () => {
  const messages = [exit("1", "ա ✓ 🙂"), exit("2", { nested: ["\n"] })]
  const forms = {
    "one JSON array": JSON.stringify(messages),
    "an indented JSON array": JSON.stringify(messages, null, 2),
    "lines of JSON": messages.map((message) => `${JSON.stringify(message)}\n`).join(""),
    "lines without a last line break": messages.map((message) => JSON.stringify(message)).join("\n")
  }

  for (const [name, body] of Object.entries(forms)) {
    it(`in ${name} is read wherever the network cuts it`, () => {
      const length = new TextEncoder().encode(body).length
      for (let split = 0; split <= length; split++) assert.deepStrictEqual(read(body, split), messages)
    })
  }

  it("in lines is known line by line", () => {
    const reader = new AnswerReader()
    const line = new TextEncoder().encode(`${JSON.stringify(messages[0])}\n`)
    assert.deepStrictEqual(reader.push(line), [messages[0]])
  })

  it("that is cut is not taken for a whole one", () => {
    const body = forms["one JSON array"]
    for (let end = 1; end < body.length - 1; end++) {
      assert.throws(() => {
        const reader = new AnswerReader()
        reader.push(new TextEncoder().encode(body.slice(0, end)))
        reader.end()
      }, SyntaxError)
    }
  })

  it("without anything in it holds no message", () => {
    assert.deepStrictEqual(read("", 0), [])
    assert.deepStrictEqual(read(" \n", 1), [])
    assert.deepStrictEqual(read("[]", 1), [])
  })

  it("is read only if it has the form of the protocol", () => {
    for (const strange of [null, 1, "x", [], {}, { _tag: "Exit" }, { _tag: "Exit", requestId: "1" }]) {
      assert.isUndefined(readAnswer(strange))
    }
    assert.isUndefined(readAnswer({ _tag: "Exit", requestId: "1", exit: { _tag: "Failure", cause: "text" } }))
    assert.isUndefined(readAnswer({ _tag: "Defect", requestId: "1", defect: "text" }))
    assert.deepStrictEqual(readAnswer({ _tag: "Exit", requestId: 7, exit: { _tag: "Success", value: 1 } }), {
      _tag: "Exit",
      requestId: "7",
      exit: { _tag: "Success", value: 1 }
    })
  })
})
