import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { describeContract } from "./Contract.ts"
import { examplesIn, renderApi } from "./Markdown.ts"
import { STORY } from "./Story.ts"

const document = readFileSync(fileURLToPath(new URL("../../docs/api.md", import.meta.url)), "utf8")
const contract = describeContract()

describe("docs/api.md", () => {
  it("says what the contract says: if not, npm run docs:api", () => {
    expect(document).toBe(renderApi(contract, examplesIn(document)))
  })

  it("has an exchange of a real run for every RPC, asked as the contract says", () => {
    const examples = examplesIn(document)
    expect([...examples.keys()]).toEqual(contract.rpcs.map(({ tag }) => tag))
    for (const [tag, { answer, request }] of examples) {
      expect(JSON.parse(request).tag).toBe(tag)
      expect(JSON.parse(answer)).toBeTypeOf("object")
    }
  })

  it("has a comment for every RPC and error", () => {
    expect(contract.rpcs.filter(({ comment }) => comment === "").map(({ tag }) => tag)).toEqual([])
    expect(contract.errors.filter(({ comment }) => comment === "").map(({ tag }) => tag)).toEqual([])
  })

  it("is made by a story that has every RPC", () => {
    const played = new Set(STORY.filter(({ aside }) => aside === undefined).map(({ tag }) => tag))
    expect(contract.rpcs.filter(({ tag }) => !played.has(tag)).map(({ tag }) => tag)).toEqual([])
  })
})
