import { readFileSync } from "node:fs"
import { canonicalEntry, type EntryFields, entryHash, noPredecessor } from "@credit/domain/EntryHash"
import { describe, expect, it } from "vitest"

interface Vector {
  readonly name: string
  readonly previous: string
  readonly entry: EntryFields
  readonly canonical: string
  readonly hash: string
}

const vectors: ReadonlyArray<Vector> = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/entry-hash.json", import.meta.url), "utf8")
)

const octets = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (hash: Uint8Array) => Buffer.from(hash).toString("hex")

describe("the hash of an entry", () => {
  it.each(vectors)("is the known one of $name", ({ canonical, entry, hash, previous }) => {
    expect(canonicalEntry(entry)).toBe(canonical)
    expect(hex(entryHash(octets(previous), entry))).toBe(hash)
  })

  it("chains: the vectors hold three entries of one account, each over its predecessor", () => {
    const chain = vectors.filter(({ entry }) => entry.userId === "user-1").slice(0, 3)
    expect(chain.map(({ entry }) => entry.seq)).toEqual([1, 2, 3])
    let previous = noPredecessor
    for (const { entry, hash } of chain) {
      previous = entryHash(previous, entry)
      expect(hex(previous)).toBe(hash)
    }
  })

  it("changes with every field and with the predecessor", () => {
    const [vector] = vectors.slice(1)
    if (vector === undefined) throw new Error("no vectors")
    const { entry, hash, previous } = vector
    const changed: ReadonlyArray<Partial<EntryFields>> = [
      { entryId: "01993f00-0000-7000-8000-0000000000ff" },
      { userId: "user-2" },
      { seq: 3 },
      { lotId: null },
      { amount: -59 },
      { balanceAfter: 41 },
      { reason: "expiry" },
      { operationType: "llm_token" },
      { resourceAmount: "101.51" },
      { resourceUnit: "TOKENS" },
      { capturedRate: "0.58" },
      { operationId: null },
      { workflowId: "wf-8" },
      { note: "" },
      { actor: "" },
      { effectiveAt: 1767225600000 },
      { createdAt: 1767225600002 }
    ]
    expect(changed).toHaveLength(Object.keys(entry).length)
    const hashes = changed.map((change) => hex(entryHash(octets(previous), { ...entry, ...change })))
    hashes.push(hex(entryHash(noPredecessor, entry)))
    expect(new Set([hash, ...hashes]).size).toBe(changed.length + 2)
  })

  it("cannot be the same for texts cut at another place", () => {
    const [vector] = vectors
    if (vector === undefined) throw new Error("no vectors")
    const cut = (note: string | null, actor: string | null) => canonicalEntry({ ...vector.entry, note, actor })
    expect(new Set([cut("a,1:b", null), cut("a", "b"), cut("-", null), cut(null, "-"), cut("", null)]).size).toBe(5)
  })
})
