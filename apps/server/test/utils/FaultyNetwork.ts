import { connect, createServer, type Server, type Socket } from "node:net"

/** What the network between the service and a database does. */
export type Fault =
  /** Carries everything. */
  | "none"
  /** Takes connections and bytes, and carries nothing: a machine that has frozen. */
  | "silence"
  /** Nobody listens. */
  | "refusal"

/** A way to a PostgreSQL server that can be made to fail. */
export interface FaultyNetwork {
  /** The same URL by this way. */
  urlOf(url: string): string
  become(fault: Fault): Promise<void>
  /** Cuts what is connected now. */
  cut(): void
  /** Connections it has taken, ever. */
  readonly taken: number
  /** Connections open now. */
  readonly open: number
  /** How often bytes have come from the service. */
  readonly sends: number
  close(): Promise<void>
}

export const makeFaultyNetwork = async (target: {
  readonly host: string
  readonly port: number
}): Promise<FaultyNetwork> => {
  let fault: Fault = "none"
  let taken = 0
  let sends = 0
  const pairs = new Map<Socket, Socket>()
  /** What is kept back during a silence, in order. */
  let held: Array<() => void> = []

  const accept = (near: Socket) => {
    taken += 1
    const far = connect(target)
    pairs.set(near, far)
    const end = () => {
      pairs.delete(near)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on("error", end).on("close", end)
    near.on("data", (bytes) => {
      sends += 1
      if (fault === "silence") held.push(() => far.write(bytes))
      else far.write(bytes)
    })
    far.on("data", (bytes) => {
      if (fault === "silence") held.push(() => near.write(bytes))
      else near.write(bytes)
    })
  }

  const listen = (port: number) =>
    new Promise<Server>((resolve, reject) => {
      const server = createServer(accept)
      server.once("error", reject)
      server.listen(port, "127.0.0.1", () => resolve(server))
    })
  const stopListening = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()))

  let server = await listen(0)
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the proxy has no port")
  const { port } = address
  const cut = () => {
    for (const near of [...pairs.keys()]) near.destroy()
  }

  return {
    urlOf: (url) => {
      const through = new URL(url)
      through.hostname = "127.0.0.1"
      through.port = `${port}`
      return through.href
    },
    become: async (next) => {
      if (fault === next) return
      if (next === "refusal") {
        const stopped = stopListening(server)
        cut()
        await stopped
      } else if (fault === "refusal") {
        server = await listen(port)
      }
      fault = next
      const kept = held
      held = []
      for (const send of kept) send()
    },
    cut,
    get taken() {
      return taken
    },
    get sends() {
      return sends
    },
    get open() {
      return pairs.size
    },
    close: async () => {
      if (fault === "refusal") return
      const stopped = stopListening(server)
      cut()
      await stopped
    }
  }
}
