import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Role } from "@credit/rpc/Access"
import { signToken } from "@credit/server/access/signToken"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { freePort } from "./freePort.ts"
import type { MerchantDatabase } from "./Postgres.ts"

const main = fileURLToPath(new URL("../../apps/server/src/main.ts", import.meta.url))

/** One secret for all service processes of a test, as a deployment has. */
export const JWT_SECRET = "a-secret-for-tests-that-is-long-enough"

/** A service in a process of its own, as it is deployed; several may serve the same databases. */
export interface Service {
  readonly url: string
  readonly process: ChildProcess
  /** What it has printed. */
  output(): string
  /** Ends it with a signal, and waits until it is gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null>
}

export const startService = async (
  databases: ReadonlyArray<MerchantDatabase>,
  environment: Readonly<Record<string, string>> = {}
): Promise<Service> => {
  const port = Number(environment.PORT ?? (await freePort()))
  const merchants = databases.map(({ merchantId, runtimeUrl }) => [
    `MERCHANT_${merchantId.toUpperCase().replaceAll("-", "_")}_DATABASE_URL`,
    runtimeUrl
  ])
  // No job may fall into a test that is not about it.
  const own = { JWT_SECRET, PORT: `${port}`, JOB_SCHEDULER: "off" }
  return startProcess(main, { ...own, ...Object.fromEntries(merchants), ...environment }, port)
}

/** Starts the service's entry with just this environment, and waits until it says that it is `ready`, and answers. */
export const startProcess = async (
  entry: string,
  environment: Readonly<Record<string, string>>,
  port: number,
  ready = "Listening"
): Promise<Service> => {
  const child = spawn(process.execPath, ["--conditions=source", entry], {
    env: { PATH: process.env.PATH ?? "", ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString()
  })
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
  const url = `http://127.0.0.1:${port}`
  await Promise.race([
    answering(`${url}/health/live`, child, ready),
    exited.then((code) => {
      throw new Error(`The service ended with ${code} before it answered:\n${output}`)
    })
  ])
  return {
    url,
    process: child,
    output: () => output,
    end: (signal) => {
      child.kill(signal)
      return exited
    }
  }
}

/** Resolves when the service's own words say that it is ready, and it is. */
const answering = async (url: string, child: ChildProcess, ready: string): Promise<void> => {
  await new Promise<void>((resolve) => {
    let said = ""
    const look = (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes(ready)) resolve()
    }
    child.stdout?.on("data", look)
    child.stderr?.on("data", look)
  })
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
}

/** A token for a merchant, or for an operator by name. */
export const tokenFor = (role: Role, subject: string, userId?: string): Promise<string> =>
  Effect.runPromise(
    signToken(
      { role, subject, userId, ttlSeconds: 3600 },
      { secret: Redacted.make(JWT_SECRET), issuer: "credit-service", audience: "credit-ledger-api" }
    )
  )
