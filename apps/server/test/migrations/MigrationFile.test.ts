import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadMigrations } from "@credit/server/migrations/MigrationFile"
import { checkVersion } from "@credit/server/migrations/MigrationHistory"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const load = (directory?: string) =>
  Effect.runPromise(loadMigrations(directory).pipe(Effect.provide(NodeFileSystem.layer)))

describe("a folder of migrations", () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "credit-migrations-"))
  })
  afterEach(() => rm(folder, { recursive: true }))
  const write = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  }
  const refused = () =>
    Effect.runPromise(Effect.flip(loadMigrations(folder)).pipe(Effect.provide(NodeFileSystem.layer)))

  it("is read in order, with a checksum that line endings do not change", async () => {
    await write({ "0002_b.sql": "SELECT 2;\r\n", "0001_a.sql": "SELECT 1;\n", ".DS_Store": "" })
    const unix = await load(folder)
    expect(unix.map(({ file: name, id, sql }) => [id, name, sql])).toEqual([
      [1, "0001_a.sql", "SELECT 1;\n"],
      [2, "0002_b.sql", "SELECT 2;\r\n"]
    ])
    await write({ "0002_b.sql": "SELECT 2;\n" })
    expect((await load(folder)).map(({ checksum }) => checksum)).toEqual(unix.map(({ checksum }) => checksum))
    await write({ "0002_b.sql": "SELECT 3;\n" })
    expect((await load(folder))[1]?.checksum).not.toBe(unix[1]?.checksum)
  })

  it.each([
    ["a stray file", { "0001_a.sql": "", "README.md": "" }, "README.md is not named like 0001_name.sql"],
    ["a number too short", { "0001_a.sql": "", "02_b.sql": "" }, "02_b.sql is not named like 0001_name.sql"],
    ["a name that is none", { "0001_A-b.sql": "" }, "0001_A-b.sql is not named like 0001_name.sql"],
    ["a backup of an editor", { "0001_a.sql": "", "0001_a.sql~": "" }, "0001_a.sql~ is not named like 0001_name.sql"],
    ["a gap", { "0001_a.sql": "", "0003_c.sql": "" }, "there is no migration 2 before 0003_c.sql"],
    ["a start other than 1", { "0002_b.sql": "" }, "there is no migration 1 before 0002_b.sql"],
    ["a number twice", { "0001_a.sql": "", "0001_b.sql": "" }, "0001_b.sql has the number of another one"],
    ["nothing", {}, "there are none"]
  ])("is refused with %s", async (_, files, problem) => {
    await write(files)
    expect(await refused()).toMatchObject({ _tag: "MigrationFilesInvalid", directory: folder, problems: [problem] })
  })

  it("is refused where there is none", async () => {
    folder = join(folder, "missing")
    expect(await refused()).toMatchObject({ _tag: "MigrationFilesInvalid" })
    await mkdir(folder)
  })
})

describe("a database's version", () => {
  const ids = (...all: ReadonlyArray<number>) => all.map((id) => ({ id }))

  it("serves a server that is not newer than it", () => {
    expect(checkVersion(ids(1, 2), ids(1, 2))).toEqual({ _tag: "Ok", database: 2 })
    expect(checkVersion(ids(1, 2, 3), ids(1, 2))).toEqual({ _tag: "Ok", database: 3 })
    expect(checkVersion(ids(1), ids(1, 2))).toEqual({ _tag: "Behind", database: 1, needed: 2 })
    expect(checkVersion([], ids(1, 2))).toEqual({ _tag: "Behind", database: 0, needed: 2 })
  })
})
