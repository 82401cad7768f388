import * as Predicate from "effect/Predicate"
import { type CallFailed, EXIT, type ExitCode, type Problem } from "./Problem.ts"

/** A problem as it is told: one line, what to do next, and the same for programs. */
export interface Explanation {
  readonly exit: ExitCode
  readonly message: string
  readonly hint?: string | undefined
  readonly json: Readonly<Record<string, unknown>>
}

/** What is told about anything a command may end with. */
export const explain = (problem: Problem): Explanation => {
  switch (problem._tag) {
    case "UsageProblem":
      return own(EXIT.usage, problem)
    case "TokenMissing":
      return own(EXIT.unauthorized, problem)
    case "NotConfirmed":
      return own(EXIT.refused, problem)
    case "FaultFound":
      return own(EXIT.fault, problem)
    case "ServiceSilent":
      return own(EXIT.unreachable, problem)
    case "CallFailed":
      return call(problem)
  }
}

const own = (
  exit: ExitCode,
  problem: { readonly _tag: string; readonly message: string; readonly hint?: string }
): Explanation => ({ exit, message: problem.message, hint: problem.hint, json: { _tag: problem._tag } })

const call = (failed: CallFailed): Explanation => {
  const { error, idempotencyKey } = failed
  const { _tag, message, ...rest } = { ...error, _tag: error._tag, message: error.message }
  const { exit, hint, said } = verdict(failed)
  // A key is worth telling while the outcome is open: with it the same command is safe to send again.
  const again = idempotencyKey === undefined || !isOpen(failed) ? undefined : openOutcome(idempotencyKey)
  return {
    exit,
    message: said ?? message,
    hint: again ?? hint,
    json: { ...rest, _tag, name: undefined, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
  }
}

const openOutcome = (key: string): string =>
  `to find out what came of it, send the same again with --idempotency-key ${key}: nothing is done twice`

/** Whether a command that failed so may have been carried out nevertheless. */
const isOpen = ({ error }: CallFailed): boolean => {
  switch (error._tag) {
    case "CreditClientError":
      return error.reason !== "http" || error.status !== undefined
    case "RequestInProgress":
    case "ServiceUnavailable":
    case "InternalError":
      return true
    default:
      return false
  }
}

interface Verdict {
  readonly exit: ExitCode
  /** In place of the error's own message. */
  readonly said?: string
  readonly hint?: string
}

const verdict = (failed: CallFailed): Verdict => {
  const { error, merchant, origin, role } = failed
  switch (error._tag) {
    case "Unauthorized":
      return {
        exit: EXIT.unauthorized,
        hint: "credit-cli doctor shows which token was used and until when it is valid"
      }
    case "Forbidden":
      return forbidden(error.requiredRole, role, merchant)
    case "MerchantUnknown":
      return {
        exit: EXIT.refused,
        said: merchant === undefined ? error.message : `The service has no merchant ${merchant}`,
        hint: "--merchant names another"
      }
    case "InvalidRequest":
      return invalid(error)
    case "IntentConflict":
      return {
        exit: EXIT.refused,
        hint: "for a new command use a new key; what names a payment, an operation or a user's welcome is done once"
      }
    case "MaintenanceMode":
      return { exit: EXIT.refused, hint: "nothing was done; queries go on, commands again after maintenance exit" }
    case "RequestInProgress":
    case "ServiceUnavailable":
    case "RateLimited":
    case "InternalError":
      return { exit: EXIT.unreachable }
    case "CreditClientError":
      return { exit: EXIT.unreachable, ...silent(error, origin) }
    default:
      return { exit: EXIT.refused, ...(refusalHint(error) ?? {}) }
  }
}

const forbidden = (required: string, role: string | undefined, merchant: string | undefined): Verdict => ({
  exit: EXIT.unauthorized,
  said: `This needs the role ${required}${role === undefined ? "" : `, and the token's is ${role}`}`,
  ...(required === "operator" && merchant !== undefined
    ? { hint: `or the token is another merchant's than ${merchant}: only an operator may choose` }
    : { hint: "another token, with --token-file or --profile" })
})

/** `meta` is there once a command was decided: then the rules said no, not the form. */
const invalid = (error: { readonly field: string; readonly message: string; readonly meta?: unknown }): Verdict =>
  error.field === "X-Merchant-Id"
    ? {
        exit: EXIT.usage,
        said: "The token is an operator's: it serves every merchant",
        hint: "say which with --merchant"
      }
    : {
        exit: error.meta === undefined ? EXIT.usage : EXIT.refused,
        said: error.field === "" ? error.message : `${error.field}: ${error.message}`
      }

const silent = (
  error: { readonly reason: string; readonly message: string; readonly rpc: string },
  origin: string
): { readonly said: string; readonly hint: string } => ({
  said: error.message.replace(`${error.rpc}: `, "").replace(/^./, (first) => first.toUpperCase()),
  hint:
    error.reason === "answer"
      ? "the service may be of another version: credit-cli doctor compares"
      : `is the service at ${origin} up, and the address right? --url or --profile names another`
})

/** What helps after a refusal of the rules, where anything does. */
const refusalHint = (error: unknown): { readonly hint: string } | undefined => {
  if (!Predicate.hasProperty(error, "_tag")) return undefined
  const reason = Predicate.hasProperty(error, "reason") ? error.reason : undefined
  const hint = REFUSALS[`${error._tag}`] ?? REFUSALS[`${error._tag}.${reason}`]
  return hint === undefined ? undefined : { hint }
}

const REFUSALS: Readonly<Record<string, string>> = {
  "GrantUnavailable.already_granted": "a user is welcomed once; a manual grant gives more",
  "GrantUnavailable.no_welcome_product": "a grant product with the policy apply_on_signup makes one",
  "GrantUnavailable.product_not_found": "product list shows what there is",
  "GrantUnavailable.product_not_grantable": "only products without a price are granted",
  "ProductUnavailable.pricing_mismatch": "amount and currency must be those of the price row",
  "ProductUnavailable.not_found": "product list shows what there is",
  PurchaseNotFound: "user history and receipt list show a user's payments",
  PurchaseAlreadyReversed: "a purchase is taken back once; after a chargeback that was won, once more",
  ProductAlreadyExists: "products are never edited: archive it, and create one with another code",
  InsufficientBalance: "user balance shows what is there; a grant or a purchase adds to it",
  OperationNotFound: "operation list shows the user's open ones",
  ReceiptNotFound: "receipt list shows the user's"
}
