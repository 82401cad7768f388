import type { Role } from "@credit/rpc/Access"
import type { TokenClaims } from "./TokenClaims.ts"

/** How many single tokens of one merchant may stand revoked: what every server keeps in memory is bounded. */
export const MAXIMUM_SINGLE_REVOCATIONS = 50_000

/** Revocations as a merchant's database tells them. */
export interface RevocationRows {
  readonly jtis: ReadonlyArray<string>
  /** The latest `issuedBefore` in epoch milliseconds, by role; `all` for those that name none. */
  readonly before: Readonly<Partial<Record<Role | "all", number>>>
}

/**
 * The revocations of tokens that could still be good ($1: older ones have ended by age). At most as many as may stand; a
 * row more would be older than those.
 */
export const READ_REVOCATIONS = `
SELECT json_build_object(
  'jtis', coalesce((
    SELECT json_agg(x.jti) FROM (
      SELECT r.jti FROM public.token_revocations AS r
      WHERE r.revoked_at > $1::timestamptz AND r.jti IS NOT NULL
      ORDER BY r.revoked_at DESC LIMIT ${MAXIMUM_SINGLE_REVOCATIONS}
    ) AS x
  ), '[]'),
  'before', coalesce((
    SELECT json_object_agg(x.role, x.before) FROM (
      SELECT coalesce(r.role, 'all') AS role, app.epoch_milliseconds(max(r.issued_before)) AS before
      FROM public.token_revocations AS r
      WHERE r.revoked_at > $1::timestamptz AND r.issued_before IS NOT NULL
      GROUP BY r.role
    ) AS x
  ), '{}')
)::text AS json`

/** What one merchant has revoked. */
export class RevokedTokens {
  readonly #jtis: ReadonlySet<string>
  readonly #before: RevocationRows["before"]

  constructor(rows: RevocationRows) {
    this.#jtis = new Set(rows.jtis)
    this.#before = rows.before
  }

  /** A revocation of all roles means the merchant's own tokens; an operator's is meant only by name. */
  has({ issuedAt, role, tokenId }: TokenClaims): boolean {
    if (this.#jtis.has(tokenId)) return true
    const all = role === "operator" ? 0 : (this.#before.all ?? 0)
    return issuedAt * 1000 < Math.max(all, this.#before[role] ?? 0)
  }
}
