import { hash } from "node:crypto"
import type { TokenClaims } from "./TokenClaims.ts"

/**
 * The tokens that were verified lately: at most so many, the one unused for longest goes first, none beyond its expiry.
 * Tokens are kept by their SHA-256, so that no memory dump gives them away.
 */
export class TokenCache {
  readonly #size: number
  readonly #claims = new Map<string, TokenClaims>()

  constructor(size: number) {
    this.#size = size
  }

  get(token: string, nowSeconds: number): TokenClaims | undefined {
    const key = hash("sha256", token, "base64")
    const claims = this.#claims.get(key)
    if (claims === undefined) return undefined
    this.#claims.delete(key)
    if (claims.expiresAt <= nowSeconds) return undefined
    this.#claims.set(key, claims)
    return claims
  }

  set(token: string, claims: TokenClaims): void {
    if (this.#claims.size >= this.#size) {
      const eldest = this.#claims.keys().next()
      if (eldest.done !== true) this.#claims.delete(eldest.value)
    }
    this.#claims.set(hash("sha256", token, "base64"), claims)
  }

  get size(): number {
    return this.#claims.size
  }
}
