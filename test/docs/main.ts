import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort } from "../utils/freePort.ts"
import { startProcess } from "../utils/Service.ts"
import { describeContract } from "./Contract.ts"
import { renderApi } from "./Markdown.ts"
import { play } from "./Play.ts"
import { STORY } from "./Story.ts"

/** `npm run docs:api`: plays the story on a service of its own, with a database of its own, and writes docs/api.md. */
const server = fileURLToPath(new URL("../../apps/server/src/main.ts", import.meta.url))
const target = fileURLToPath(new URL("../../docs/api.md", import.meta.url))

const home = await mkdtemp(join(tmpdir(), "credit-docs-"))
// PostgreSQL's own account must pass when this runs as root.
await chmod(home, 0o711)
const port = await freePort()
const service = await startProcess(server, { CREDIT_HOME: home, PORT: `${port}` }, port, "npm run replay")
try {
  const { merchants, operatorToken, serviceUrl } = JSON.parse(await readFile(join(home, "embedded.json"), "utf8"))
  const tokens = { ...merchants.demo.tokens, operator: operatorToken }
  const examples = await play({ serviceUrl, tokens, merchantId: "demo" }, STORY)
  const contract = describeContract()
  const without = contract.rpcs.filter(({ tag }) => !examples.has(tag))
  if (without.length > 0) throw new Error(`The story has no step for ${without.map(({ tag }) => tag).join(", ")}`)
  await writeFile(target, renderApi(contract, examples))
  process.stdout.write(`docs/api.md: ${contract.rpcs.length} RPCs\n`)
} finally {
  await service.end("SIGTERM")
  await rm(home, { recursive: true })
}
