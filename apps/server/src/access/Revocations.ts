import type { MerchantId } from "@credit/domain/Ids"
import { type MerchantUnknown, type ServiceUnavailable, Unauthorized } from "@credit/rpc/Errors"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Settings } from "../config/Settings.ts"
import { MerchantDatabases } from "../merchants/MerchantDatabases.ts"
import { MerchantDirectory } from "../merchants/MerchantDirectory.ts"
import { READ_REVOCATIONS, type RevocationRows, RevokedTokens } from "./RevokedTokens.ts"
import type { TokenClaims } from "./TokenClaims.ts"

/** So many refreshes may fail in a row before nothing is decided by what was read last. */
const TRUSTED_REFRESHES = 3

/** A call about no merchant is checked against the merchants in use here, and so many of those that are named. */
const ASKED_FOR_NO_MERCHANT = 8

type Trouble = MerchantUnknown | ServiceUnavailable

/**
 * Which tokens no longer count, although their signature and dates are good. Asked at every use of a token, whether or not
 * its signature was verified before.
 *
 * A merchant's revocations are read when a call about it comes, and again when what was read is older than
 * `REVOCATION_REFRESH` (15 s unless set): in the background, while the last reading decides. Once that is three times as old
 * (45 s) nothing is let in by it: the call waits for a reading, and is `ServiceUnavailable` without one. So a revocation is
 * in force everywhere within a minute, and a database that is down refuses what could not have been done anyway.
 */
export class Revocations extends Context.Service<
  Revocations,
  {
    /** Refuses a revoked token, for a call about a merchant or about none. */
    check(claims: TokenClaims, merchantId: MerchantId | undefined): Effect.Effect<void, Unauthorized | Trouble>
    /** Something was revoked here: the next call about the merchant reads it. */
    changed(merchantId: MerchantId): void
  }
>()("@credit/server/access/Revocations") {
  /** Nothing is revoked. */
  static readonly layerNone = Layer.succeed(
    Revocations,
    Revocations.of({ check: () => Effect.void, changed: () => undefined })
  )

  static readonly layer = Layer.effect(
    Revocations,
    Effect.gen(function* () {
      const databases = yield* MerchantDatabases
      const directory = yield* MerchantDirectory
      const settings = yield* Settings
      const scope = yield* Effect.scope
      const run = Effect.runForkWith(yield* Effect.context())
      return make({
        read: (merchantId) => {
          const since = new Date(Date.now() - Duration.toMillis(settings.jwtMaximumAge)).toISOString()
          return Effect.flatMap(databases.get(merchantId), (database) =>
            database.json<RevocationRows>(READ_REVOCATIONS, [since])
          )
        },
        named: () => directory.list().map(({ merchantId }) => merchantId),
        refreshMillis: Duration.toMillis(settings.revocationRefresh),
        now: () => performance.now(),
        fork: (effect) => run(Effect.forkIn(effect, scope).pipe(Effect.flatMap(Fiber.join)))
      })
    })
  )
}

/** What was read of a merchant, and when the reading began. */
interface Reading {
  readonly revoked: RevokedTokens
  readonly at: number
}

const REVOKED = Effect.fail(new Unauthorized({}))

export const make = (options: {
  readonly read: (merchantId: MerchantId) => Effect.Effect<RevocationRows, Trouble>
  readonly named: () => ReadonlyArray<MerchantId>
  readonly refreshMillis: number
  /** In milliseconds, of a clock that never goes back. */
  readonly now: () => number
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}): Revocations["Service"] => {
  const { fork, named, now, read, refreshMillis } = options
  const readings = new Map<MerchantId, Reading>()
  const underWay = new Map<MerchantId, Fiber.Fiber<Reading, Trouble>>()
  /** Goes up with every revocation made here: a reading that began before one says nothing. */
  let made = 0

  /** One reading at a time serves all who wait for it. */
  const refresh = (merchantId: MerchantId): Fiber.Fiber<Reading, Trouble> => {
    const present = underWay.get(merchantId)
    if (present !== undefined) return present
    const at = now()
    const before = made
    const fiber = fork(
      Effect.map(read(merchantId), (rows) => {
        const reading = { revoked: new RevokedTokens(rows), at }
        if (made === before) readings.set(merchantId, reading)
        return reading
      })
    )
    underWay.set(merchantId, fiber)
    fiber.addObserver(() => {
      if (underWay.get(merchantId) === fiber) underWay.delete(merchantId)
    })
    return fiber
  }

  /** The last reading, if it may still decide; one that is getting old is read again meanwhile. */
  const trusted = (merchantId: MerchantId): Reading | undefined => {
    const reading = readings.get(merchantId)
    if (reading === undefined) return undefined
    const age = now() - reading.at
    if (age > refreshMillis * TRUSTED_REFRESHES) {
      readings.delete(merchantId)
      return undefined
    }
    if (age > refreshMillis) refresh(merchantId)
    return reading
  }

  const latest = (merchantId: MerchantId): Effect.Effect<Reading, Trouble> =>
    Effect.suspend(() => {
      const reading = trusted(merchantId)
      return reading === undefined ? Fiber.join(refresh(merchantId)) : Effect.succeed(reading)
    })

  const checkAny = (claims: TokenClaims): Effect.Effect<void, Unauthorized> =>
    Effect.suspend(() => {
      const asked = new Set([...readings.keys(), ...named().slice(0, ASKED_FOR_NO_MERCHANT)])
      return Effect.forEach(
        asked,
        (merchantId) =>
          // A database that cannot be asked does not keep operators from mending it.
          Effect.flatMap(Effect.option(latest(merchantId)), (reading) =>
            reading._tag === "Some" && reading.value.revoked.has(claims) ? REVOKED : Effect.void
          ),
        { concurrency: ASKED_FOR_NO_MERCHANT, discard: true }
      )
    })

  return Revocations.of({
    check: (claims, merchantId) => {
      if (merchantId === undefined) return checkAny(claims)
      const reading = trusted(merchantId)
      if (reading !== undefined) return reading.revoked.has(claims) ? REVOKED : Effect.void
      return Effect.flatMap(latest(merchantId), ({ revoked }) => (revoked.has(claims) ? REVOKED : Effect.void))
    },
    changed: (merchantId) => {
      made += 1
      readings.delete(merchantId)
      underWay.delete(merchantId)
    }
  })
}
