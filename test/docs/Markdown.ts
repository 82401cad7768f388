import type { ContractDoc, RpcDoc } from "./Contract.ts"
import type { Field } from "./Types.ts"

/** An exchange of a real run, as JSON text. */
export interface Example {
  readonly request: string
  readonly answer: string
}

const INTRODUCTION = `# The API

Every RPC of the service: who may call it, what it takes, what it answers, what it fails with, and an exchange of a real run.
This file is made from the contract in \`packages/rpc\` by \`npm run docs:api\`; a test fails when it is out of date.

A call is one \`POST /rpc\` with \`Content-Type: application/json\` and \`Authorization: Bearer TOKEN\`; the body is
\`{"tag": "…", "payload": {…}}\`, or a list of such. The answer is a list with, for each call, \`{"_tag": "Exit", "exit": …}\`:
\`{"_tag": "Success", "value": …}\`, or \`{"_tag": "Failure", "cause": [{"_tag": "Fail", "error": …}]}\` with the error by its \`_tag\`.
Whatever becomes of a call is HTTP 200. The examples show the call's payload and the \`value\`; lists are cut to two, long texts
are cut short. The client in \`packages/client\` has a method for each RPC and types for everything here.

**Commands** write and need the header \`Idempotency-Key\`: 1–255 visible ASCII characters, one key for one decision. With
\`Dry-Run: true\` a command is decided and dropped. **Queries** only read, need no key, and are answered in maintenance as well.
**Streams** are queries whose answer comes in parts: they need \`Content-Type: application/x-ndjson\`.

Each role may do what those before it may: \`user\` (one user, own data), \`app\` (the merchant's backend), \`admin\` (its
staff), \`operator\` (runs the service, and names the merchant in \`X-Merchant-Id\`).

Rules are numbered in [domain.md](domain.md).
`

const code = (tags: ReadonlyArray<string>): string =>
  tags.map((tag) => `[\`${tag}\`](#${tag.toLowerCase()})`).join(" · ")

const table = (fields: ReadonlyArray<Field>): string =>
  [
    "| field | type |",
    "| --- | --- |",
    ...fields.map(({ name, optional, type }) => `| \`${name}\`${optional ? " (optional)" : ""} | ${type} |`)
  ].join("\n")

const anchor = (tag: string): string => tag.replaceAll(".", "").toLowerCase()

const begin = (tag: string) => `<!-- example: ${tag} -->`
const END = "<!-- end of example -->"

const rpcSection = (rpc: RpcDoc, example: Example | undefined): string => {
  const kind = rpc.streams ? "stream" : rpc.kind
  const forms = rpc.payloads.map((fields) => (fields.length === 0 ? "Takes an empty payload." : table(fields)))
  return [
    `### ${rpc.tag}`,
    `${kind} · role \`${rpc.role}\`${rpc.roleVaries ? ", for some payloads a higher one" : ""}`,
    rpc.comment,
    rpc.payloads.length > 1 ? "**Payload**, one of:" : "**Payload**",
    ...forms,
    rpc.answer.fields.length > 0 ? `**${rpc.streams ? "Each part" : "Answer"}**` : "",
    rpc.answer.fields.length > 0
      ? table(rpc.answer.fields)
      : `**${rpc.streams ? "Each part" : "Answer"}**: ${rpc.answer.type}`,
    rpc.errors.length > 0 ? `**Fails with** ${code(rpc.errors)}` : "",
    ...(example === undefined
      ? []
      : [`${begin(rpc.tag)}\n\`\`\`json\n${example.request}\n\`\`\`\n\n\`\`\`json\n${example.answer}\n\`\`\`\n${END}`])
  ]
    .filter((part) => part !== "")
    .join("\n\n")
}

/** The whole document. An RPC without an example has none in it. */
export const renderApi = (contract: ContractDoc, examples: ReadonlyMap<string, Example>): string =>
  `${[
    INTRODUCTION.trim(),
    "## RPCs",
    [
      "| RPC | kind | role |",
      "| --- | --- | --- |",
      ...contract.rpcs.map(
        ({ kind, role, streams, tag }) =>
          `| [\`${tag}\`](#${anchor(tag)}) | ${streams ? "stream" : kind} | \`${role}\` |`
      )
    ].join("\n"),
    `Every RPC may fail with ${code(contract.everyRpc)}.`,
    `Every command may also fail with ${code(contract.everyCommand)}.`,
    ...contract.rpcs.map((rpc) => rpcSection(rpc, examples.get(rpc.tag))),
    "## Errors",
    ...contract.errors
      .toSorted((a, b) => (a.tag < b.tag ? -1 : 1))
      .flatMap(({ comment, fields, tag }) => [`### ${tag}`, comment, fields.length === 0 ? "" : table(fields)]),
    "## Shapes",
    ...contract.shapes.flatMap(({ fields, name, type }) => [`### ${name}`, fields.length === 0 ? type : table(fields)])
  ]
    .filter((part) => part !== "")
    .join("\n\n")}\n`

/** The examples in a document, by RPC. */
export const examplesIn = (document: string): ReadonlyMap<string, Example> =>
  new Map(
    [
      ...document.matchAll(
        /<!-- example: (\S+) -->\n```json\n([\s\S]*?)\n```\n\n```json\n([\s\S]*?)\n```\n<!-- end of example -->/g
      )
    ].map(([, tag = "", request = "", answer = ""]) => [tag, { request, answer }])
  )
