import * as Effect from "effect/Effect"

/**
 * How many connections to PostgreSQL all merchants together may have, counted from the making of a socket to its end. A
 * pool that is bounded by itself is not enough: many merchants are served, few at a time.
 */
export class ConnectionBudget {
  readonly limit: number
  private taken = 0
  private readonly makeRoom: () => Effect.Effect<boolean>

  /** `makeRoom` gives up connections that nobody uses, and tells whether it found any. */
  constructor(limit: number, makeRoom: () => Effect.Effect<boolean>) {
    this.limit = limit
    this.makeRoom = makeRoom
  }

  get used(): number {
    return this.taken
  }

  /** Takes one; `undefined` if there is none even after making room. Whoever takes one calls the release once or more. */
  readonly take: Effect.Effect<(() => void) | undefined> = Effect.suspend(() => {
    const release = this.takeNow()
    if (release !== undefined) return Effect.succeed(release)
    return Effect.map(this.makeRoom(), () => this.takeNow())
  })

  private takeNow(): (() => void) | undefined {
    if (this.taken >= this.limit) return undefined
    this.taken += 1
    let released = false
    return () => {
      if (released) return
      released = true
      this.taken -= 1
    }
  }
}
