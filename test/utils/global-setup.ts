import type { TestProject } from "vitest/node"
import { startTestServer } from "./TestServer.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /** An administrator's URL to the run's PostgreSQL: `inject("adminUrl")`. */
    adminUrl: string
  }
}

/** One PostgreSQL for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestServer()
  project.provide("adminUrl", server.adminUrl)
  return () => server.stop()
}
