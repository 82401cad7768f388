import type { CreditError } from "@credit/client"
import * as Data from "effect/Data"

/** How the command line ends. Scripts rely on these: they never change their meaning. */
export const EXIT = {
  /** Done, or told. */
  ok: 0,
  /** The service decided and said no, or the person asked did; nothing was changed. */
  refused: 1,
  /** The command line, its configuration or a value in it cannot be. */
  usage: 2,
  /** The token is missing or not valid, or its role may not do this. */
  unauthorized: 3,
  /** The service could not be asked, or did not answer in the end; for a command the outcome may be unknown. */
  unreachable: 4,
  /** The service works, and what was checked is not as it must be. */
  fault: 5,
  /** Interrupted, as shells have it for Ctrl-C. */
  interrupted: 130
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The command line asks for what cannot be. */
export class UsageProblem extends Data.TaggedError("UsageProblem")<{
  /** One line: what is wrong, and where. */
  readonly message: string
  /** What to do next. */
  readonly hint?: string
}> {}

/** No token where one is needed. */
export class TokenMissing extends Data.TaggedError("TokenMissing")<{
  readonly message: string
  readonly hint: string
}> {}

/** A person was asked and said no, or could not be asked. */
export class NotConfirmed extends Data.TaggedError("NotConfirmed")<{ readonly message: string }> {}

/** What was checked is not as it must be. */
export class FaultFound extends Data.TaggedError("FaultFound")<{
  readonly message: string
  readonly hint?: string
}> {}

/** The service answers over HTTP, but not to this: `/health` and the like, which are no calls of the contract. */
export class ServiceSilent extends Data.TaggedError("ServiceSilent")<{
  readonly message: string
  readonly hint?: string
}> {}

/** A call of the contract failed: with a typed error, or with no answer at all. */
export class CallFailed extends Data.TaggedError("CallFailed")<{
  readonly error: CreditError
  /** What is known of the caller, for what to say about it. */
  readonly role: string | undefined
  readonly merchant: string | undefined
  readonly origin: string
  /** For commands: under which key it was sent. */
  readonly idempotencyKey?: string
}> {}

/** Everything a command of the command line may end with, but success. */
export type Problem = UsageProblem | TokenMissing | NotConfirmed | FaultFound | ServiceSilent | CallFailed
