/**
 * How many calls of one merchant may be in work at once, and how many may come in a second: one merchant's rush must not
 * take the room of the others. What is refused has cost next to nothing.
 */
export class MerchantLimits {
  readonly #maximumInFlight: number
  readonly #perSecond: number
  readonly #merchants = new Map<string, Usage>()

  constructor(maximumInFlight: number, perSecond: number) {
    this.#maximumInFlight = maximumInFlight
    this.#perSecond = perSecond
  }

  /** Takes a place for a call, or says that there is none. `now` is in milliseconds, of a clock that never goes back. */
  enter(merchantId: string, now: number): boolean {
    const usage = this.#usage(merchantId, now)
    // A bucket of one second's calls, which fills as time goes.
    usage.left = Math.min(this.#perSecond, usage.left + ((now - usage.at) / 1000) * this.#perSecond)
    usage.at = now
    if (usage.left < 1 || usage.inFlight >= this.#maximumInFlight) return false
    usage.left -= 1
    usage.inFlight += 1
    return true
  }

  leave(merchantId: string): void {
    const usage = this.#merchants.get(merchantId)
    if (usage !== undefined) usage.inFlight -= 1
  }

  #usage(merchantId: string, now: number): Usage {
    const known = this.#merchants.get(merchantId)
    if (known !== undefined) return known
    const usage: Usage = { inFlight: 0, left: this.#perSecond, at: now }
    this.#merchants.set(merchantId, usage)
    return usage
  }
}

interface Usage {
  inFlight: number
  left: number
  at: number
}
