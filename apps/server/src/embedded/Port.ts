import { createServer } from "node:net"
import * as Effect from "effect/Effect"

/** Above it the kernel gives ports to outgoing connections: one of them can sit on a port between two of our starts. */
const HIGHEST = 32_767
const LOWEST = 20_000

/** Whether 127.0.0.1 can be listened on at this port now. */
export const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      server.close(() => resume(Effect.succeed(true)))
    })
  })

/** The first free port from `first` on, of those not tried in vain already; `undefined` if there is none. */
export const choosePort = Effect.fnUntraced(function* (first: number, tried: ReadonlySet<number>) {
  for (let step = 0; step <= HIGHEST - LOWEST; step++) {
    const port = step === 0 ? first : LOWEST + ((Math.max(first - LOWEST, 0) + step) % (HIGHEST - LOWEST + 1))
    if (!tried.has(port) && (yield* isFree(port))) return port
  }
  return undefined
})
