import { startTestServer } from "../utils/TestServer.ts"
import { longSuites } from "./suites.ts"

const usage = () => {
  process.stderr.write(
    `npm run test:long -- NAME [--rounds N] [--seed S]\n\n${Object.entries(longSuites)
      .map(([name, { about, rounds }]) => `  ${name.padEnd(16)}${about} (${rounds} rounds unless given)`)
      .join("\n")}\n`
  )
  process.exit(64)
}

const [name, ...rest] = process.argv.slice(2)
const suite = Object.hasOwn(longSuites, name ?? "") ? longSuites[name ?? ""] : undefined
if (name === undefined || suite === undefined || rest.length % 2 !== 0) usage()
else {
  const given = new Map<string, number>()
  for (let index = 0; index < rest.length; index += 2) {
    const flag = rest[index] ?? ""
    const value = Number(rest[index + 1])
    if (!["--rounds", "--seed"].includes(flag) || !Number.isSafeInteger(value) || value < 0) usage()
    given.set(flag, value)
  }
  const rounds = given.get("--rounds") ?? suite.rounds
  const seed = given.get("--seed") ?? Date.now() % 1_000_000
  process.stdout.write(`${name}: ${rounds} rounds, --seed ${seed}\n`)
  const server = await startTestServer()
  const started = performance.now()
  let said = started
  try {
    const report = await suite.run(server.adminUrl, {
      rounds,
      seed,
      onRound: (round) => {
        if (performance.now() - said < 10_000) return
        said = performance.now()
        process.stdout.write(`  round ${round} of ${rounds}\n`)
      }
    })
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    process.stdout.write(`${name}: all is well after ${seconds} s, --seed ${seed}: ${JSON.stringify(report)}\n`)
  } catch (error) {
    process.stderr.write(`${name}: FAILED with --seed ${seed}\n`)
    process.exitCode = 1
    console.error(error)
  } finally {
    await server.stop()
  }
}
