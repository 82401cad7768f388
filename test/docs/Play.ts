import { randomUUID } from "node:crypto"
import { Kind } from "@credit/rpc/Access"
import { Api } from "@credit/rpc/Api"
import * as Context from "effect/Context"
import * as Predicate from "effect/Predicate"
import type { Example } from "./Markdown.ts"
import type { Step, Told } from "./Story.ts"

/** Where the story is played, and by whom. */
export interface Stage {
  readonly serviceUrl: string
  readonly tokens: Readonly<Record<Step["role"], string>>
  /** The merchant meant by an operator. */
  readonly merchantId: string
}

/** Plays a story on a service and records the exchange of each RPC. An answer that is an error ends it. */
export const play = async (stage: Stage, story: ReadonlyArray<Step>): Promise<ReadonlyMap<string, Example>> => {
  const answers = new Map<string, unknown>()
  const examples = new Map<string, Example>()
  const told: Told = (tag, ...path) =>
    path.reduce<unknown>((value, key) => (Predicate.hasProperty(value, key) ? value[key] : undefined), answers.get(tag))
  for (const step of story) {
    const payload = step.payload(told)
    const answer = await send(stage, step, payload)
    answers.set(step.tag, answer)
    if (step.aside) continue
    examples.set(step.tag, { request: pretty({ tag: step.tag, payload }), answer: pretty(answer) })
  }
  return examples
}

const send = async ({ merchantId, serviceUrl, tokens }: Stage, step: Step, payload: unknown): Promise<unknown> => {
  const rpc = [...Api.requests.values()].find(({ _tag }) => _tag === step.tag)
  if (rpc === undefined) throw new Error(`The contract has no ${step.tag}`)
  const isCommand = Context.getUnsafe(rpc.annotations, Kind) === "command"
  const headers = {
    authorization: `Bearer ${tokens[step.role]}`,
    "content-type": "application/x-ndjson",
    ...(step.role === "operator" ? { "x-merchant-id": step.merchantId ?? merchantId } : {}),
    ...(isCommand ? { "idempotency-key": randomUUID() } : {})
  }
  const body = `${JSON.stringify({ tag: step.tag, payload })}\n`
  const ask = async (): Promise<ReadonlyArray<Message>> => {
    const response = await fetch(new URL("/rpc", serviceUrl), { method: "POST", headers, body })
    const lines = (await response.text()).split("\n").filter((line) => line !== "")
    const messages: ReadonlyArray<Message> = lines.map((line) => JSON.parse(line))
    const error = exitOf(messages)?.cause?.[0]?.error
    if (error?._tag !== "RequestInProgress") return messages
    await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfterSeconds ?? 1)))
    return ask()
  }
  const messages = await ask()
  const exit = exitOf(messages)
  if (exit?._tag !== "Success") throw new Error(`${step.tag} failed: ${JSON.stringify(exit)}`)
  // Of a stream one part stands for all: the last, which of one that tells how it goes is what came of it.
  const parts = messages.flatMap(({ values }) => values ?? [])
  return parts.length === 0 ? exit.value : parts.at(-1)
}

const exitOf = (messages: ReadonlyArray<Message>) => messages.find(({ _tag }) => _tag === "Exit")?.exit

interface Message {
  readonly _tag: string
  readonly values?: ReadonlyArray<unknown>
  readonly exit?: {
    readonly _tag: string
    readonly value?: unknown
    readonly cause?: ReadonlyArray<{ readonly error?: { readonly _tag: string; readonly retryAfterSeconds?: number } }>
  }
}

const LONGEST_LIST = 2
const LONGEST_TEXT = 300

/** JSON for reading: lists cut to their first two, long texts cut short. Tokens are nobody's to see. */
const pretty = (value: unknown): string =>
  JSON.stringify(
    value,
    (key, inner: unknown) => {
      if (Array.isArray(inner)) return inner.every(Predicate.isString) ? inner : inner.slice(0, LONGEST_LIST)
      if (typeof inner !== "string") return inner
      if (/token$/i.test(key)) return "…"
      return inner.length > LONGEST_TEXT ? `${inner.slice(0, LONGEST_TEXT)}…` : inner
    },
    2
  )
