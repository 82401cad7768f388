import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { freePort } from "../../test/utils/freePort.ts"
import { JWT_SECRET } from "../../test/utils/Service.ts"
import { type Ground, running, serveMany, temporaryFolder } from "./Ground.ts"
import { MeasurementFailed } from "./Measure.ts"
import type { Merchant } from "./Merchants.ts"
import type { Probe } from "./Scenario.ts"
import { residentMebibytes } from "./Usage.ts"

/** One measurement of a probe, in its unit. */
export interface Reading {
  readonly value: number
  readonly note: string
}

export const takeReading = (ground: Ground, probe: Probe, seconds: number) => {
  switch (probe.name) {
    case "cold-start":
      return coldStart(ground.main)
    case "first-start":
      return firstStart
    case "idle-merchants":
      return idleMerchants(ground, seconds)
  }
}

/** A server that starts beside a PostgreSQL that is up: seconds from its process to the answer to a balance. */
const coldStart = (merchant: Merchant) =>
  Effect.promise(async (): Promise<Reading> => {
    const { merchantId, runtimeUrl } = merchant.database
    const value = await untilAnswer(
      {
        NODE_ENV: "production",
        HOST: "127.0.0.1",
        JWT_SECRET,
        [`MERCHANT_${merchantId.toUpperCase().replaceAll("-", "_")}_DATABASE_URL`]: runtimeUrl
      },
      () => merchant.token
    )
    return { value, note: "from the start of a server's process to its first answer" }
  })

const EmbeddedState = Schema.Struct({
  merchants: Schema.Record(Schema.String, Schema.Struct({ tokens: Schema.Struct({ app: Schema.String }) }))
})

/** `npm start` where it never ran: with the making of a PostgreSQL, two merchants and their samples. */
const firstStart = Effect.scoped(
  Effect.gen(function* () {
    const home = yield* temporaryFolder
    const token = (): string | undefined => {
      try {
        const text: unknown = JSON.parse(readFileSync(join(home, "embedded.json"), "utf8"))
        return Schema.decodeUnknownSync(EmbeddedState)(text).merchants.demo?.tokens.app
      } catch {
        return undefined // Not written yet.
      }
    }
    const value = yield* Effect.promise(() => untilAnswer({ CREDIT_HOME: home }, token))
    const reading: Reading = { value, note: "from nothing: a PostgreSQL is made, two merchants with their samples" }
    return reading
  })
)

const main = fileURLToPath(new URL("../../apps/server/src/main.ts", import.meta.url))

/** Seconds from the start of a server's process until it has answered a call; ends it. */
const untilAnswer = async (
  environment: Readonly<Record<string, string>>,
  token: () => string | undefined
): Promise<number> => {
  const port = await freePort()
  const begin = performance.now()
  const child = spawn(process.execPath, ["--conditions=source", main], {
    env: { PATH: process.env.PATH ?? "", PORT: `${port}`, ...environment },
    stdio: "ignore"
  })
  const ended = once(child, "exit")
  try {
    while (!(await answers(`http://127.0.0.1:${port}/rpc`, token()))) {
      if (child.exitCode !== null) throw new MeasurementFailed(`A server ended with ${child.exitCode} at its start`)
      await sleep(10)
    }
    return (performance.now() - begin) / 1000
  } finally {
    child.kill("SIGTERM")
    await ended
  }
}

const answers = async (url: string, token: string | undefined): Promise<boolean> => {
  if (token === undefined) return false
  try {
    const body = JSON.stringify({ tag: "GetUserBalance", payload: { userId: "u-0" } })
    const response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}` }, body })
    const text = await response.text()
    return text.includes('"Success"')
  } catch {
    return false // It does not listen yet.
  }
}

/**
 * What a server keeps in memory of merchants that it served and that then went quiet. It is first warmed up with one of them,
 * so that what the process itself takes under load is not counted as theirs.
 */
const idleMerchants = Effect.fnUntraced(function* (ground: Ground, seconds: number) {
  const server = yield* running(() => serveMany(ground.crowd))
  const pid = server.process.pid ?? 0
  const [one, ...others] = ground.crowd
  const [load] = ground.load
  if (one === undefined || others.length === 0 || load === undefined) {
    return yield* Effect.fail(new MeasurementFailed("idle-merchants: nothing was prepared for it"))
  }
  const serve = async (first: Merchant, more: ReadonlyArray<Merchant>, forSeconds: number) => {
    const until = Date.now() + forSeconds * 1000
    const { failures, firstFailure } = await load.run({
      ...{ kind: "pairs", callers: 16, coalesce: false, oneUser: false, users: first.users, from: Date.now(), until },
      urls: [server.url],
      tokens: [first.token, ...more.map(({ token }) => token)],
      databaseUrl: first.database.ownerUrl
    })
    if (failures > 0) throw new MeasurementFailed(`idle-merchants: ${firstFailure}`)
  }
  return yield* Effect.promise(async (): Promise<Reading> => {
    await serve(one, [], 2 * seconds)
    const before = residentMebibytes(pid)
    await serve(one, others, seconds)
    const busy = residentMebibytes(pid)
    await sleep(3000) // Their pools close after 2 seconds.
    const idle = residentMebibytes(pid)
    const each = (mebibytes: number) => (mebibytes - before) / others.length
    return {
      value: each(idle),
      note: `${others.length} merchants besides one, ${before.toFixed(0)} MiB with that one alone; ${each(busy).toFixed(2)} MiB each right after their work`
    }
  })
}, Effect.scoped)
