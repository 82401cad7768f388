import { type AccountState, emptyAccount } from "@credit/domain/Account"
import { type Command, type KeyState, keyId, type PurchaseState, type State } from "@credit/domain/decide"
import type { EntryState } from "@credit/domain/LedgerEntry"
import type { LotState } from "@credit/domain/Lot"
import type { SettingsState } from "@credit/domain/Merchant"
import type { OperationState } from "@credit/domain/Operation"
import type { OperationTypeState, ProductState } from "@credit/domain/Product"
import {
  ACCOUNT_COLUMNS,
  ENTRY_COLUMNS,
  jsonRows,
  LOT_COLUMNS,
  OPERATION_COLUMNS,
  RECEIPT_COLUMNS,
  SETTINGS_COLUMNS
} from "../ledger/rows.ts"
import { namedOperation, namedUser } from "./Submission.ts"

const elements = (parameter: string) => `(SELECT json_array_elements_text(${parameter}::json))`
const idElements = (parameter: string) => `(SELECT json_array_elements_text(${parameter}::json)::uuid)`

/**
 * Reads everything that the decisions of a batch may depend on, in one statement with a snapshot of its own, after the
 * locks were taken. Every part is a lookup by key: none costs more as the tables grow.
 *
 * Parameters, JSON arrays: $1 users, $2 operations, $3 payment references, $4 product codes, $5 operation type codes,
 * $6 keys (`{type, key}`), $7 users who ask for their welcome grant.
 */
export const LOAD = `
WITH clock AS MATERIALIZED (SELECT app.now() AS now),
who AS MATERIALIZED (
  SELECT json_array_elements_text($1::json) COLLATE "C" AS user_id
  UNION
  SELECT o.user_id::text FROM public.operations AS o WHERE o.operation_id = ANY (ARRAY ${idElements("$2")})
)
SELECT json_build_object(
  'now', (SELECT app.epoch_milliseconds(now) FROM clock),
  'settings', (SELECT row_to_json(x) FROM (
    SELECT ${SETTINGS_COLUMNS}, s.clock_offset_hours AS "clockOffsetHours" FROM public.merchant_settings AS s
  ) AS x),
  'maintenance', (SELECT row_to_json(x) FROM (
    SELECT coalesce(s.reason, '') AS reason, app.epoch_milliseconds(s.until) AS until
    FROM public.service_status AS s WHERE s.status = 'maintenance'
  ) AS x),
  'keys', ${jsonRows(`
    SELECT y.* FROM json_to_recordset($6::json) AS k (type text, key text)
    CROSS JOIN LATERAL (
      SELECT i.command_type AS type, i.idempotency_key AS key, i.state, encode(i.fingerprint, 'hex') AS fingerprint,
        i.field_hashes AS "fieldHashes", i.response, app.epoch_milliseconds(i.claimed_at) AS "claimedAt",
        app.epoch_milliseconds(i.expires_at) AS "expiresAt", app.epoch_milliseconds(i.lease_until) AS "leaseUntil"
      FROM public.idempotency_tracking AS i WHERE i.command_type = k.type AND i.idempotency_key = k.key OFFSET 0
    ) AS y`)},
  'accounts', ${jsonRows(perUser(`SELECT ${ACCOUNT_COLUMNS} FROM public.accounts AS a WHERE a.user_id = who.user_id`))},
  'lots', ${jsonRows(
    perUser(`
    SELECT ${LOT_COLUMNS} FROM public.lots AS l WHERE l.user_id = who.user_id AND l.active`)
  )},
  'open', ${jsonRows(
    perUser(`
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o WHERE o.user_id = who.user_id AND o.status = 'open'`)
  )},
  'ended', ${jsonRows(`
    SELECT ${OPERATION_COLUMNS} FROM public.operations AS o
    WHERE o.operation_id = ANY (ARRAY ${idElements("$2")}) AND o.status <> 'open'`)},
  'purchases', ${jsonRows(`
    SELECT p.external_ref AS "externalRef", p.user_id AS "userId", p.product_code AS "productCode", p.country,
      p.currency, trim_scale(p.amount)::text AS amount,
      (SELECT row_to_json(y) FROM (SELECT ${LOT_COLUMNS} FROM public.lots AS l WHERE l.lot_id = p.lot_id) AS y) AS lot,
      (SELECT row_to_json(y) FROM (
        SELECT ${RECEIPT_COLUMNS} FROM public.receipts AS r WHERE r.receipt_number = p.receipt_number
      ) AS y) AS receipt
    FROM public.purchases AS p WHERE p.external_ref = ANY (ARRAY ${elements("$3")})`)},
  'products', ${jsonRows(`${productsWhere(`p.product_code = ANY (ARRAY ${elements("$4")})`)}`)},
  'welcomeProduct', (SELECT row_to_json(x) FROM (
    ${productsWhere(`json_array_length($7::json) > 0 AND p.grant_policy = 'apply_on_signup'
      AND p.effective_at <= (SELECT now FROM clock)
      AND (p.archived_at IS NULL OR p.archived_at > (SELECT now FROM clock))`)}
    ORDER BY p.effective_at DESC, p.product_code LIMIT 1
  ) AS x),
  'operationTypes', ${jsonRows(`
    SELECT t.operation_type_code AS "operationTypeCode", t.resource_unit AS "resourceUnit",
      trim_scale(t.credits_per_unit)::text AS "creditsPerUnit"
    FROM public.operation_types AS t
    WHERE t.operation_type_code = ANY (ARRAY ${elements("$5")})
      AND t.effective_at <= (SELECT now FROM clock)
      AND (t.archived_at IS NULL OR t.archived_at > (SELECT now FROM clock))`)},
  'welcomed', (
    SELECT coalesce(json_agg(g.user_id), '[]') FROM public.grants_once AS g
    WHERE g.user_id = ANY (ARRAY ${elements("$7")}) AND g.grant_type = 'welcome'
  ),
  'receiptCounter', (SELECT json_build_object('year', c.year, 'lastNumber', c.last_number) FROM public.receipt_counter AS c)
)::text AS loaded`

/**
 * Runs a query for each user of `who`. As a join it could be planned the other way round, through everything that is open
 * or active of all users, above all where the plan was made while the tables were empty; the fence (`OFFSET 0`) keeps it a
 * lookup per user, whatever the statistics say. The keys are looked up in the same way.
 */
function perUser(query: string): string {
  return `SELECT y.* FROM who CROSS JOIN LATERAL (${query} OFFSET 0) AS y`
}

function productsWhere(condition: string): string {
  return `
    SELECT p.product_code AS "productCode", p.title, p.credits, p.access_period_days AS "accessPeriodDays",
      p.distribution, p.grant_policy AS "grantPolicy", app.epoch_milliseconds(p.effective_at) AS "effectiveAt",
      app.epoch_milliseconds(p.archived_at) AS "archivedAt",
      ${jsonRows(`
        SELECT r.country, r.currency, trim_scale(r.amount)::text AS amount
        FROM public.product_prices AS r WHERE r.product_code = p.product_code`)} AS prices
    FROM public.products AS p WHERE ${condition}`
}

/** The parameters of {@link LOAD} for a batch. */
export const loadParameters = (commands: ReadonlyArray<Command>): ReadonlyArray<string> => {
  const users = new Set<string>()
  const operations = new Set<string>()
  const references = new Set<string>()
  const products = new Set<string>()
  const operationTypes = new Set<string>()
  const welcomes = new Set<string>()
  const add = (set: Set<string>, value: string | undefined) => value !== undefined && set.add(value)
  for (const command of commands) {
    const { intent } = command
    add(users, namedUser(command))
    add(operations, namedOperation(command))
    if (intent.type === "Purchase.Settled") {
      references.add(intent.payload.settlementData.externalRef)
      products.add(intent.payload.productCode)
    } else if (intent.type === "Operation.Open") {
      operationTypes.add(intent.payload.operationTypeCode)
    } else if (intent.type === "Grant.Apply") {
      if (intent.payload.grant.type === "welcome") welcomes.add(intent.payload.userId)
      if (intent.payload.grant.type === "promo") products.add(intent.payload.grant.productCode)
    }
  }
  // Once each, however often a key is sent at once: stored answers are long.
  const keys = new Map(commands.map(({ intent, key }) => [keyId(intent.type, key), { type: intent.type, key }]))
  return [users, operations, references, products, operationTypes, keys.values(), welcomes].map((it) =>
    JSON.stringify([...it])
  )
}

/** The JSON that {@link LOAD} answers; its columns are held to these types by `ledger/rows.ts`. */
interface Loaded {
  readonly now: number
  readonly settings: SettingsState & { readonly clockOffsetHours: number }
  readonly maintenance: State["maintenance"]
  readonly keys: ReadonlyArray<
    Omit<KeyState, "fieldHashes"> & {
      readonly type: Command["intent"]["type"]
      readonly key: string
      readonly fieldHashes: string
    }
  >
  readonly accounts: ReadonlyArray<Omit<AccountState, "lots" | "operations">>
  readonly lots: ReadonlyArray<LotState>
  readonly open: ReadonlyArray<OperationState>
  /** Operations that were named and are not open any more. */
  readonly ended: ReadonlyArray<OperationState>
  readonly purchases: ReadonlyArray<PurchaseState>
  readonly products: ReadonlyArray<ProductState>
  readonly welcomeProduct: ProductState | null
  readonly operationTypes: ReadonlyArray<OperationTypeState>
  readonly welcomed: ReadonlyArray<string>
  readonly receiptCounter: { readonly year: number; readonly lastNumber: number }
}

/** The state that the text of {@link LOAD} stands for. */
export const decodeState = (text: string): State => {
  const loaded: Loaded = JSON.parse(text)
  const lots = Map.groupBy(loaded.lots, (lot) => lot.userId)
  const open = Map.groupBy(loaded.open, (operation) => operation.userId)
  const accounts = loaded.accounts.map(
    (account): AccountState => ({
      ...emptyAccount(account.userId),
      ...account,
      lots: lots.get(account.userId) ?? [],
      operations: open.get(account.userId) ?? []
    })
  )
  return {
    now: loaded.now,
    settings: loaded.settings,
    clockOffsetHours: loaded.settings.clockOffsetHours,
    maintenance: loaded.maintenance,
    keys: new Map(
      loaded.keys.map(({ fieldHashes, key, type, ...rest }) => [
        keyId(type, key),
        { ...rest, fieldHashes: JSON.parse(fieldHashes) }
      ])
    ),
    accounts: new Map(accounts.map((it) => [it.userId, it])),
    operations: new Map([...loaded.open, ...loaded.ended].map((it) => [it.operationId, it])),
    closings: new Map(),
    purchases: new Map(loaded.purchases.map((it) => [it.externalRef, it])),
    products: new Map(loaded.products.map((it) => [it.productCode, it])),
    welcomeProduct: loaded.welcomeProduct,
    operationTypes: new Map(loaded.operationTypes.map((it) => [it.operationTypeCode, it])),
    welcomed: new Set(loaded.welcomed),
    receiptCounter: loaded.receiptCounter
  }
}

/**
 * The entries of closed operations ($1, a JSON array of ids), for a close that is asked again. A statement of its own,
 * because it alone reads the ledger: a plan that names the ledger opens every month, also where it finds nothing.
 */
export const LOAD_CLOSINGS = `
SELECT ${jsonRows(`
  SELECT y.* FROM public.operations AS o
  CROSS JOIN LATERAL (
    SELECT ${ENTRY_COLUMNS} FROM public.ledger_entries AS e
    WHERE e.user_id = o.user_id AND e.created_at = o.closed_at AND e.operation_id = o.operation_id OFFSET 0
  ) AS y
  WHERE o.operation_id = ANY (ARRAY ${idElements("$1")}) AND o.status = 'closed'
  ORDER BY y."userId", y.seq`)}::text AS loaded`

/** The closed operations that closes of the batch name: their entries must be loaded too. */
export const closedOperations = (state: State, commands: ReadonlyArray<Command>): ReadonlyArray<string> =>
  commands.flatMap(({ intent }) => {
    if (intent.type !== "Operation.RecordAndClose") return []
    const { operationId } = intent.payload
    return state.operations.get(operationId)?.status === "closed" ? [operationId] : []
  })

export const decodeClosings = (text: string): State["closings"] => {
  const entries: ReadonlyArray<EntryState> = JSON.parse(text)
  return Map.groupBy(entries, (entry) => entry.operationId ?? "")
}
