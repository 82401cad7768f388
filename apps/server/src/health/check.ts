// Asks a running service how it is, for scripts and container health checks:
//
//   node apps/server/src/health/check.ts [live | ready | report]
//
// `report` (the default) prints `/health`. The service is at CREDIT_SERVICE_URL, or on this machine at PORT (3000). Exit code 0:
// it answers and is live, ready, or healthy; 1: it says that it is not; 2: it cannot be reached.

const PATHS = { live: "/health/live", ready: "/health/ready", report: "/health" } as const
const TIMEOUT_MILLIS = 5000

const isWhat = (text: string): text is keyof typeof PATHS => Object.hasOwn(PATHS, text)

const what = process.argv[2] ?? "report"
if (!isWhat(what)) {
  process.stderr.write(`health: "${what}" is none of ${Object.keys(PATHS).join(", ")}\n`)
  process.exit(2)
}
const base = process.env.CREDIT_SERVICE_URL ?? `http://127.0.0.1:${process.env.PORT ?? "3000"}`
const token = process.env.CREDIT_SERVICE_JWT

try {
  const response = await fetch(`${base}${PATHS[what]}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(TIMEOUT_MILLIS)
  })
  const body: unknown = await response.json()
  process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`)
  const degraded = typeof body === "object" && body !== null && "status" in body && body.status === "degraded"
  process.exitCode = response.ok && !degraded ? 0 : 1
} catch (error) {
  process.stderr.write(`health: ${base} cannot be reached: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
