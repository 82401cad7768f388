import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type { CoalesceOptions } from "./Coalescer.ts"
import type { RetryOptions } from "./Retry.ts"

/** How a client reaches the service, and how patient it is. Durations are `"10 seconds"` and the like; a number is milliseconds. */
export interface ClientOptions {
  /** `http://host:port`, with a path if the service is behind one. */
  readonly baseUrl: string | URL
  /** A token of the service; who it was issued to decides merchant and role. */
  readonly token: string | Redacted.Redacted
  /** The merchant meant, for operator tokens; the other roles' tokens name it themselves. */
  readonly merchantId?: string
  /** How long one attempt may take; then the call is sent again with the same key. Default 10 seconds. */
  readonly timeout?: Duration.Input
  /** How long and at what pace calls are sent again; `false` for never. Default up to 30 seconds in all. */
  readonly retry?: RetryOptions | false
  /**
   * Calls that wait at the same time share an HTTP request: each keeps its own key, deadline, answer and error, and a caller
   * sees no difference but speed. A call that is alone leaves at once. Default true; `false` gives every call a request of
   * its own, as a proxy may want that counts or limits requests.
   */
  readonly coalesce?: boolean | CoalesceOptions
  /** The most connections to the service at once. Default 256. */
  readonly connections?: number
}

/** What may be said about one call. */
export interface QueryOptions {
  /** In place of the client's. */
  readonly merchantId?: string
  /** In place of the client's. */
  readonly timeout?: Duration.Input
  /** In place of the client's, as a whole. */
  readonly retry?: RetryOptions | false
}

/** What may be said about one command. */
export interface CommandOptions extends QueryOptions {
  /**
   * 1–255 visible ASCII characters that name this very command; the same key is never executed twice (for 7 days). The
   * client makes one (UUIDv7) for each call and keeps it across its own attempts. Give your own where the call itself may be
   * made again: from a queue, a webhook, a workflow, or after a crash. Never derive it from the payload alone: two genuine
   * equal purchases would become one.
   */
  readonly idempotencyKey?: string
  /** Decided, then dropped: nothing is stored. */
  readonly dryRun?: boolean
}

/** What the transport needs of a client's options. */
export const httpOptions = (options: ClientOptions) => ({
  baseUrl: options.baseUrl,
  token: options.token,
  connections: options.connections ?? 256,
  coalesce: options.coalesce === false ? undefined : typeof options.coalesce === "object" ? options.coalesce : {}
})
