import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Which packages the sources of each may import. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  "packages/domain": [],
  "packages/rpc": ["domain"],
  "packages/client": ["domain", "rpc"],
  "apps/server": ["domain", "rpc"],
  "apps/cli": ["domain", "rpc", "client"]
}

const sources = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, "src", file))

const importsOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(join(root, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(
    ([, path]) => path ?? ""
  )

describe("Dependencies point one way", () => {
  for (const [folder, packages] of Object.entries(allowed)) {
    it(`${folder} imports ${packages.length === 0 ? "no other package" : packages.join(" and ")}`, () => {
      const files = sources(folder)
      expect(files.length).toBeGreaterThan(3)
      const wrong = files.flatMap((file) =>
        importsOf(file)
          .filter((path) => path.startsWith("@credit/") && !packages.includes(path.split("/")[1] ?? ""))
          .map((path) => `${file} imports ${path}`)
      )
      expect(wrong).toEqual([])
    })

    it(`${folder} reaches into no other folder by a relative path`, () => {
      const wrong = sources(folder).flatMap((file) =>
        importsOf(file)
          .filter((path) => path.startsWith(".") && !join(file, "..", path).startsWith(join(folder, "src")))
          .map((path) => `${file} imports ${path}`)
      )
      expect(wrong).toEqual([])
    })
  }

  it("the rules of money do no I/O and use no Effect services", () => {
    const pure = sources("packages/domain").flatMap((file) =>
      importsOf(file)
        .filter(
          (path) =>
            /^node:(?!crypto$|buffer$)/.test(path) || /^effect\/(Effect|Layer|Context|sql|http|rpc)\b/.test(path)
        )
        .map((path) => `${file} imports ${path}`)
    )
    expect(pure).toEqual([])
  })
})
