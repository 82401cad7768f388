import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it } from "vitest"
import type { Job } from "../src/Job.ts"
import { startLoadProcess } from "../src/LoadProcess.ts"

/** A service that answers calls when it is told to, and knows how many wait. */
const startHolding = async (exit: unknown, answersAt: number) => {
  let received = 0
  let most = 0
  const held = new Set<() => void>()
  const answer = (id: unknown, response: ServerResponse) => () => {
    response.end(JSON.stringify([{ _tag: "Exit", requestId: id, exit }]))
  }
  const server = createServer(async (request, response) => {
    let text = ""
    for await (const chunk of request.setEncoding("utf8")) text += chunk
    received += 1
    held.add(answer(JSON.parse(text).id, response))
    most = Math.max(most, held.size)
    if (received < answersAt) return
    for (const release of held) release()
    held.clear()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port }: Pick<AddressInfo, "port"> = Object(server.address())
  return {
    url: `http://127.0.0.1:${port}`,
    seen: () => ({ received, most }),
    stop: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

const job = (url: string, job: Partial<Job>): Job => ({
  kind: "echo",
  callers: 1,
  coalesce: false,
  oneUser: false,
  users: 10,
  from: 0,
  until: Date.now() + 500,
  urls: [url],
  tokens: ["token"],
  databaseUrl: "",
  ...job
})

const success = { _tag: "Success", value: {} }

const run = async (exit: unknown, answersAt: number, options: Partial<Job>) => {
  const service = await startHolding(exit, answersAt)
  const load = await startLoadProcess()
  try {
    return { report: await load.run(job(service.url, options)), ...service.seen() }
  } finally {
    await load.end()
    service.stop()
  }
}

describe("Load", () => {
  it("at a pace comes whether or not earlier work was answered, and every piece of it counts", async () => {
    // Nothing is answered before 50 calls wait: a caller who waits would wait for ever.
    const { most, received, report } = await run(success, 50, { rate: 400 })
    expect(most).toBe(50)
    expect(report.failures).toBe(0)
    expect(report.latencies).toHaveLength(received)
  })

  it("of callers is never more than they are", async () => {
    const { most, received, report } = await run(success, 4, { callers: 4 })
    expect(most).toBe(4)
    expect(received).toBeGreaterThanOrEqual(4)
    expect(report.failures).toBe(0)
  })

  it("tells what failed", async () => {
    const exit = { _tag: "Failure", cause: [{ _tag: "Fail", error: { _tag: "RateLimited" } }] }
    const { report } = await run(exit, 1, {})
    expect(report).toMatchObject({ latencies: [], failures: 1, firstFailure: expect.stringContaining("RateLimited") })
  })
})
