import { InvalidRequest } from "@credit/domain/Refusal"
import * as Headers from "effect/http/Headers"

/** Headers that belong to one call, by their lower-case names; the value is the name in full. */
const PER_CALL = new Map([
  ["idempotency-key", "Idempotency-Key"],
  ["x-merchant-id", "X-Merchant-Id"],
  ["dry-run", "Dry-Run"]
])

/**
 * The headers of one call: what its envelope says and, when the HTTP request holds this call alone, what the HTTP request
 * says. A header that is there twice, or here and there and different, is refused, for nobody can tell which is meant.
 *
 * `authorization` is always the HTTP request's. Other headers of an envelope are dropped.
 */
export const callHeaders = (
  http: Headers.Headers,
  envelope: ReadonlyArray<readonly [string, string]>,
  alone: boolean
): Headers.Headers | InvalidRequest => {
  const merged: Record<string, string> = {}
  const { authorization } = http
  if (authorization !== undefined) merged.authorization = authorization
  for (const [name, value] of envelope) {
    const title = PER_CALL.get(name)
    if (title === undefined) continue
    if (merged[name] !== undefined) return refuse(title, "The header is there twice")
    merged[name] = value
  }
  for (const [name, title] of PER_CALL) {
    const value = http[name]
    if (value === undefined) continue
    if (!alone) return refuse(title, "As an HTTP header it counts only for a request with one call")
    if (merged[name] !== undefined && merged[name] !== value) {
      return refuse(title, "The HTTP header and the call's own header differ")
    }
    merged[name] = value
  }
  return Headers.fromRecordUnsafe(merged)
}

const refuse = (field: string, message: string) => new InvalidRequest({ field, message })

const KEY = /^[!-~]{1,255}$/

/** A command's key; a header that is there twice reads as one with a comma and a space, and so is refused too. */
export const idempotencyKey = (headers: Headers.Headers): string | InvalidRequest => {
  const key = headers["idempotency-key"]
  if (key === undefined) return refuse("Idempotency-Key", "Every command needs this header")
  return KEY.test(key) ? key : refuse("Idempotency-Key", "Expected 1–255 visible ASCII characters")
}

export const dryRun = (headers: Headers.Headers): boolean | InvalidRequest => {
  const value = headers["dry-run"]
  if (value === undefined || value === "false") return false
  return value === "true" ? true : refuse("Dry-Run", 'Expected "true" or "false"')
}
