import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(import.meta.resolve("@credit/server/main"))

/** The service as a process of its own. */
export interface ServiceProcess {
  readonly process: ChildProcess
  readonly url: string
  readonly output: () => string
  readonly ended: Promise<Ended>
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<Ended>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly milliseconds: number
}

type Variables = Readonly<Record<string, string>>

/** Runs a script of the server with these variables and no others of ours. */
export const spawnScript = (script: string, environment: Variables, ...parameters: ReadonlyArray<string>) => {
  const started = performance.now()
  let stdout = ""
  let stderr = ""
  const child = spawn(process.execPath, ["--conditions=source", script, ...parameters], {
    env: { PATH: process.env.PATH ?? "", ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  child.stdout.on("data", (chunk) => {
    stdout += String(chunk)
  })
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk)
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) =>
      resolve({ code, signal, stdout, stderr, milliseconds: performance.now() - started })
    )
  })
  return { child, ended, output: () => stdout + stderr }
}

export const runService = (environment: Variables) => spawnScript(main, environment)

/** Starts the service and waits until it listens. */
export const startService = async (environment: Variables): Promise<ServiceProcess> => {
  const { child, ended, output } = runService({ PORT: "0", ...environment })
  const url = await new Promise<string>((resolve, reject) => {
    const look = () => {
      const listening = /Listening on (http:\/\/[^\s"\\]+)/.exec(output())
      if (listening?.[1] !== undefined) resolve(listening[1].replace("0.0.0.0", "127.0.0.1"))
    }
    child.stdout.on("data", look)
    void ended.then(({ stderr }) => reject(new Error(`the service ended: ${stderr}`)))
  })
  return {
    process: child,
    url,
    output,
    ended,
    stop: () => {
      child.kill("SIGTERM")
      return ended
    }
  }
}
