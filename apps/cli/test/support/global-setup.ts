import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"
import { createMerchantDatabase, type MerchantDatabase } from "../../../../test/utils/Postgres.ts"
import { startService, tokenFor } from "../../../../test/utils/Service.ts"
import { addSamples } from "../../../../test/utils/samples.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /** The service that all tests of the command line share. Each test has users of its own. */
    service: {
      readonly url: string
      /** An operator's, for every merchant. */
      readonly operatorToken: string
      /** An app's, for the merchant `shop`. */
      readonly appToken: string
      /** Where the compiled sources are kept, so that only the first start of a run is slow. */
      readonly compileCache: string
    }
  }
}

const bin = fileURLToPath(new URL("../../bin/credit-cli", import.meta.url))

/** Loads and compiles everything once, up to the client; that nobody answers plays no part. */
const warm = (compileCache: string) =>
  new Promise<void>((resolve, reject) => {
    const given = ["user", "balance", "ann", "--url", "http://127.0.0.1:1", "--token", "x", "--wait", "0"]
    const child = spawn(bin, given, {
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache },
      stdio: "ignore"
    })
    child.once("error", reject)
    child.once("close", () => resolve())
  })

/** The owners' URLs, with which the service migrates and runs jobs. */
export const ownersOf = (databases: ReadonlyArray<MerchantDatabase>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    databases.map(({ merchantId, ownerUrl }) => [
      `MERCHANT_${merchantId.toUpperCase().replaceAll("-", "_")}_MIGRATION_DATABASE_URL`,
      ownerUrl
    ])
  )

/** One service for the whole run, with the merchants `shop` (a sandbox) and `quiet`, which is paused now and then. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { adminUrl } = project.getProvidedContext()
  const compileCache = await mkdtemp(join(tmpdir(), "credit-cli-cache-"))
  const databases = await Promise.all([
    createMerchantDatabase(adminUrl, { merchantId: "shop", sandbox: true }),
    createMerchantDatabase(adminUrl, { merchantId: "quiet" })
  ])
  await Promise.all(databases.map(addSamples))
  const template = new URL(adminUrl)
  template.pathname = `/credit_test_${randomBytes(4).toString("hex")}_{id}`
  const service = await startService(databases, {
    MERCHANT_DATABASE_URL_TEMPLATE: decodeURI(template.href),
    ...ownersOf(databases)
  })
  await warm(compileCache)
  project.provide("service", {
    url: service.url,
    operatorToken: await tokenFor("operator", "olga"),
    appToken: await tokenFor("app", "shop"),
    compileCache
  })
  return async () => {
    await service.end("SIGTERM")
    for (const database of databases) await database.drop()
    await rm(compileCache, { recursive: true, force: true })
  }
}
