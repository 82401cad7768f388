import {
  ACCOUNT_COLUMNS,
  jsonRows,
  LOT_COLUMNS,
  OPERATION_COLUMNS,
  OPERATION_TYPE_COLUMNS,
  PRODUCT_COLUMNS,
  RECEIPT_COLUMNS,
  REVERSAL_COLUMNS,
  SETTINGS_COLUMNS
} from "../ledger/rows.ts"
import type { Needs } from "./Needs.ts"

/** Stands for a list of names in a statement: the number of the parameter that holds it, a `text[]`. */
export type Parameter = (name: keyof Needs) => string

/** One part of what a batch loads: an expression that makes JSON. */
export interface Part {
  /** What it looks up by; without any of them it is not part of the statement, and its place in the answer stays empty. */
  readonly by: ReadonlyArray<keyof Needs>
  readonly sql: (parameter: Parameter) => string
}

const rowOf = (query: string) => `(SELECT row_to_json(x) FROM (${query}) AS x)`

/** The users of the batch, those of its operations and of purchases to be reversed among them. */
const USERS = "((SELECT who.users FROM who)::text[])"

const productsWhere = (condition: string): string =>
  `SELECT ${PRODUCT_COLUMNS} FROM public.products AS p WHERE ${condition}`

/** Whether a version of a product or a rate, `x`, is in force. */
const inForce = (x: string) => `${x}.effective_at <= (SELECT clock.now FROM clock)
      AND (${x}.archived_at IS NULL OR ${x}.archived_at > (SELECT clock.now FROM clock))`

/**
 * Everything the decisions of a batch may depend on, part by part. Each is a lookup by key, for a list of names: none costs
 * more as the tables grow. A list is compared as an array rather than joined: a join could be planned the other way round,
 * through everything that is open or active of all users, above all where the plan was made while the tables were empty.
 * A lateral fence (`OFFSET 0`) does the same where one name is not enough.
 */
export const PARTS = {
  now: { by: [], sql: () => "(SELECT app.epoch_milliseconds(clock.now) FROM clock)" },
  settings: {
    by: [],
    sql: () =>
      rowOf(`SELECT ${SETTINGS_COLUMNS}, s.clock_offset_hours AS "clockOffsetHours" FROM public.merchant_settings AS s`)
  },
  maintenance: {
    by: [],
    sql: () =>
      rowOf(`
    SELECT coalesce(s.reason, '') AS reason, app.epoch_milliseconds(s.until) AS until
    FROM public.service_status AS s WHERE s.status = 'maintenance'`)
  },
  keys: {
    by: ["keys"],
    sql: ($) =>
      jsonRows(`
    SELECT y.* FROM unnest(${$("keyTypes")}::text[], ${$("keys")}::text[]) AS k (type, key)
    CROSS JOIN LATERAL (
      SELECT i.command_type AS type, i.idempotency_key AS key, i.state, encode(i.fingerprint, 'hex') AS fingerprint,
        i.field_hashes AS "fieldHashes", i.response, app.epoch_milliseconds(i.claimed_at) AS "claimedAt",
        app.epoch_milliseconds(i.expires_at) AS "expiresAt", app.epoch_milliseconds(i.lease_until) AS "leaseUntil"
      FROM public.idempotency_tracking AS i WHERE i.command_type = k.type AND i.idempotency_key = k.key OFFSET 0
    ) AS y`)
  },
  accounts: {
    by: ["users", "operations", "reversed"],
    sql: () => jsonRows(`SELECT ${ACCOUNT_COLUMNS} FROM public.accounts AS a WHERE a.user_id = ANY ${USERS}`)
  },
  lots: {
    by: ["users", "operations", "reversed"],
    sql: () => jsonRows(`SELECT ${LOT_COLUMNS} FROM public.lots AS l WHERE l.user_id = ANY ${USERS} AND l.active`)
  },
  open: {
    by: ["users", "operations", "reversed"],
    sql: () =>
      jsonRows(`
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o WHERE o.user_id = ANY ${USERS} AND o.status = 'open'`)
  },
  ended: {
    by: ["operations"],
    sql: ($) =>
      jsonRows(`
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o
    WHERE o.operation_id = ANY (${$("operations")}::uuid[]) AND o.status <> 'open'`)
  },
  purchases: {
    by: ["references"],
    sql: ($) =>
      jsonRows(`
    SELECT p.external_ref AS "externalRef", p.user_id AS "userId", p.product_code AS "productCode", p.country,
      p.currency, trim_scale(p.amount)::text AS amount,
      ${rowOf(`SELECT ${LOT_COLUMNS} FROM public.lots AS l WHERE l.lot_id = p.lot_id`)} AS lot,
      ${rowOf(`SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r WHERE r.receipt_number = p.receipt_number`)} AS receipt
    FROM public.purchases AS p WHERE p.external_ref = ANY (${$("references")}::text[])`)
  },
  reversals: {
    by: ["reversed"],
    sql: ($) =>
      jsonRows(`
    SELECT ${REVERSAL_COLUMNS} FROM public.reversals AS v
    JOIN public.lots AS l ON l.lot_id = v.lot_id
    WHERE v.external_ref = ANY (${$("reversed")}::text[]) ORDER BY v.external_ref, v.sequence`)
  },
  // This part alone reads the ledger: by the index of expiries, a lot has few, and in no month before the lot's expiry.
  expired: {
    by: ["reversed"],
    sql: ($) =>
      jsonRows(`
    SELECT l.lot_id AS "lotId", y.expired FROM public.lots AS l
    CROSS JOIN LATERAL (
      SELECT -sum(e.amount)::bigint AS expired FROM public.ledger_entries AS e
      WHERE e.lot_id = l.lot_id AND e.reason = 'expiry' AND e.created_at >= l.expires_at OFFSET 0
    ) AS y
    WHERE y.expired > 0 AND l.lot_id = ANY (ARRAY (
      SELECT p.lot_id FROM public.purchases AS p WHERE p.external_ref = ANY (${$("reversed")}::text[])
      UNION
      SELECT v.reinstatement_lot_id FROM public.reversals AS v WHERE v.external_ref = ANY (${$("reversed")}::text[])
    ))`)
  },
  receiptCounter: {
    by: ["references"],
    sql: () => rowOf(`SELECT c.year, c.last_number AS "lastNumber" FROM public.receipt_counter AS c`)
  },
  products: {
    by: ["products"],
    sql: ($) => jsonRows(productsWhere(`p.product_code = ANY (${$("products")}::text[])`))
  },
  welcomeProduct: {
    by: ["welcomes"],
    sql: () =>
      rowOf(`${productsWhere(`p.grant_policy = 'apply_on_signup' AND ${inForce("p")}`)}
    ORDER BY p.effective_at DESC, p.product_code LIMIT 1`)
  },
  welcomed: {
    by: ["welcomes"],
    sql: ($) => `(
    SELECT coalesce(json_agg(g.user_id), '[]') FROM public.grants_once AS g
    WHERE g.user_id = ANY (${$("welcomes")}::text[]) AND g.grant_type = 'welcome')`
  },
  operationTypes: {
    by: ["operationTypes"],
    sql: ($) =>
      jsonRows(`
    SELECT t.operation_type_code AS "operationTypeCode", t.resource_unit AS "resourceUnit",
      trim_scale(t.credits_per_unit)::text AS "creditsPerUnit"
    FROM public.operation_types AS t
    WHERE t.operation_type_code = ANY (${$("operationTypes")}::text[]) AND ${inForce("t")}`)
  },
  signupProducts: {
    by: ["changedProducts"],
    sql: () =>
      jsonRows(
        productsWhere(`p.grant_policy = 'apply_on_signup'
      AND (p.archived_at IS NULL OR p.archived_at > (SELECT clock.now FROM clock))`)
      )
  },
  newestOperationTypes: {
    by: ["changedRates"],
    sql: ($) =>
      jsonRows(`
    SELECT y.* FROM unnest(${$("changedRates")}::text[]) AS c (code)
    CROSS JOIN LATERAL (
      SELECT ${OPERATION_TYPE_COLUMNS} FROM public.operation_types AS t
      WHERE t.operation_type_code = c.code ORDER BY t.effective_at DESC LIMIT 1
    ) AS y`)
  }
} as const satisfies Record<string, Part>

export type PartName = keyof typeof PARTS

const parts: ReadonlyArray<readonly [string, Part]> = Object.entries(PARTS)

/** The lists that decide which parts a statement has. */
export const LOOKED_UP_BY: ReadonlyArray<keyof Needs> = [...new Set(parts.flatMap(([, { by }]) => by))]

/** The statement that loads what is needed by the given names, and in which order it takes their lists. */
export interface LoadStatement {
  readonly sql: string
  readonly parameters: ReadonlyArray<keyof Needs>
}

/** Composes the statement of a batch that looks up by `present` names and by no others. */
export const composeLoad = (present: ReadonlySet<keyof Needs>): LoadStatement => {
  const parameters: Array<keyof Needs> = []
  const parameter: Parameter = (name) => {
    if (!parameters.includes(name)) parameters.push(name)
    return `$${parameters.indexOf(name) + 1}`
  }
  const needed = parts.filter(([, { by }]) => by.length === 0 || by.some((name) => present.has(name)))
  const sql = `
WITH clock AS MATERIALIZED (SELECT app.now(s.clock_offset_hours) AS now FROM public.merchant_settings AS s)${whoOf(present, parameter)}
SELECT json_build_object(
  ${needed.map(([name, { sql }]) => `'${name}', ${sql(parameter)}`).join(",\n  ")}
)::text AS loaded`
  return { sql, parameters }
}

const whoOf = (present: ReadonlySet<keyof Needs>, parameter: Parameter): string => {
  const named = present.has("users") ? [`SELECT unnest(${parameter("users")}::text[]) AS user_id`] : []
  const found = present.has("operations")
    ? [`SELECT o.user_id FROM public.operations AS o WHERE o.operation_id = ANY (${parameter("operations")}::uuid[])`]
    : []
  const bought = present.has("reversed")
    ? [`SELECT p.user_id FROM public.purchases AS p WHERE p.external_ref = ANY (${parameter("reversed")}::text[])`]
    : []
  const queries = [...named, ...found, ...bought]
  if (queries.length === 0) return ""
  return `,
who AS MATERIALIZED (
  SELECT array_agg(u.user_id) AS users FROM (
    ${queries.join("\n    UNION\n    ")}
  ) AS u
)`
}
