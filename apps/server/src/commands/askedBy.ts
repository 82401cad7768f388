import { InvalidRequest } from "@credit/domain/Refusal"
import { Operator } from "@credit/rpc/Access"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import { dryRun, idempotencyKey } from "../http/CallHeaders.ts"
import type { Asked } from "./Procedure.ts"

/** Who asks for a procedure, under which key, and whether in earnest. */
export const askedBy = Effect.fnUntraced(function* (
  headers: Headers
): Effect.fn.Return<Asked, InvalidRequest, Operator> {
  const { subject, tokenId } = yield* Operator
  const key = idempotencyKey(headers)
  if (key instanceof InvalidRequest) return yield* key
  const dry = dryRun(headers)
  if (dry instanceof InvalidRequest) return yield* dry
  return { key, dryRun: dry, sender: { role: "operator", subject, tokenId } }
})
