import type { Role } from "@credit/rpc/Access"
import type { TokenRequest } from "./signToken.ts"
import { readClaims } from "./TokenClaims.ts"

const HOUR = 3600

/** What a token lives for unless told: a person's day, or a quarter of an application. */
const DEFAULT_LIFETIME: Readonly<Record<Role, number>> = {
  operator: 12 * HOUR,
  admin: 12 * HOUR,
  app: 90 * 24 * HOUR,
  user: HOUR
}

/** What is asked of a token; which parts go together depends on its role. */
export interface TokenParts {
  readonly role: Role
  readonly merchantId: string | undefined
  readonly subject: string | undefined
  readonly userId: string | undefined
  readonly lifetimeSeconds: number | undefined
}

export type TokenField = keyof TokenParts

/** A part that is missing, or does not go with the role. */
export interface TokenProblem {
  readonly field: TokenField
  readonly problem: string
}

/** The token that is asked for, or what is wrong with the first part that is. */
export const tokenRequest = (parts: TokenParts): TokenRequest | TokenProblem => {
  const { lifetimeSeconds, merchantId, role, userId } = parts
  if (role === "operator" && merchantId !== undefined) {
    return {
      field: "merchantId",
      problem: "an operator's token names no merchant: every request does, in X-Merchant-Id"
    }
  }
  if (role === "operator" && parts.subject === undefined) {
    return { field: "subject", problem: "says who the operator is" }
  }
  const subject = role === "operator" ? parts.subject : (merchantId ?? parts.subject)
  if (subject === undefined) return { field: "merchantId", problem: "says whose token it is" }
  if (role !== "operator" && parts.subject !== undefined && parts.subject !== subject) {
    return { field: "subject", problem: "a merchant's token has its merchant as subject" }
  }
  if ((role === "user") !== (userId !== undefined)) {
    return { field: "userId", problem: "goes with the role user, and only with it" }
  }
  const ttlSeconds = lifetimeSeconds ?? DEFAULT_LIFETIME[role]
  if (ttlSeconds < 1) return { field: "lifetimeSeconds", problem: "must be a second at least" }
  const claims = { role, sub: subject, user_id: userId, jti: "-", iat: 0, exp: 0 }
  if (readClaims(claims) === undefined) {
    return { field: "subject", problem: `"${subject}" or "${userId ?? ""}" is not of the form of its kind` }
  }
  return { role, subject, userId, ttlSeconds }
}
