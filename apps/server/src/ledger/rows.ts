/**
 * How rows become the state that the rules see: column lists whose aliases are the fields of the domain's state types.
 * They are read with `row_to_json`, so `bigint` credits arrive as exact numbers (they are bounded by 2^53 − 1), decimals
 * are cast to text, and instants are epoch milliseconds.
 */
const millis = (column: string) => `app.epoch_milliseconds(${column})`

/** Epoch milliseconds as a timestamp, exactly: as whole microseconds it stays below 2^53 until the year 2255. */
export const fromMillis = (value: string) => `(timestamptz 'epoch' + ${value} * interval '1 millisecond')`

const decimal = (column: string) => `trim_scale(${column})::text`

/** {@link LotState} of `public.lots AS l`. */
export const LOT_COLUMNS = `
  l.lot_id AS "lotId", l.user_id AS "userId", l.source, l.product_code AS "productCode",
  l.external_ref AS "externalRef", l.credits, l.remaining,
  ${millis("l.issued_at")} AS "issuedAt", ${millis("l.expires_at")} AS "expiresAt"`

/** {@link OperationState} of `public.operations AS o`. */
export const OPERATION_COLUMNS = `
  o.operation_id AS "operationId", o.user_id AS "userId", o.operation_type_code AS "operationTypeCode",
  ${decimal("o.captured_rate")} AS "capturedRate", o.resource_unit AS "resourceUnit", o.workflow_id AS "workflowId",
  ${decimal("o.estimated_amount")} AS "estimatedAmount", o.held, o.status,
  ${millis("o.opened_at")} AS "openedAt", ${millis("o.expires_at")} AS "expiresAt",
  ${millis("o.closed_at")} AS "closedAt", ${decimal("o.resource_amount")} AS "resourceAmount",
  o.final_cost AS "finalCost", ${millis("o.completed_at")} AS "completedAt", o.late,
  o.cancel_reason AS "cancelReason", ${millis("o.updated_at")} AS "updatedAt"`

/** {@link EntryState} of `public.ledger_entries AS e`. */
export const ENTRY_COLUMNS = `
  e.entry_id AS "entryId", e.user_id AS "userId", e.seq, e.lot_id AS "lotId", e.amount,
  e.balance_after AS "balanceAfter", e.reason, e.operation_type AS "operationType",
  ${decimal("e.resource_amount")} AS "resourceAmount", e.resource_unit AS "resourceUnit",
  ${decimal("e.captured_rate")} AS "capturedRate", e.operation_id AS "operationId", e.workflow_id AS "workflowId",
  e.note, e.actor, ${millis("e.effective_at")} AS "effectiveAt", ${millis("e.created_at")} AS "createdAt",
  encode(e.hash, 'hex') AS hash`

/** The standing of `public.accounts AS a`, without lots and operations. */
export const ACCOUNT_COLUMNS = `
  a.user_id AS "userId", a.balance, a.held, a.debt, a.seq, ${millis("a.last_at")} AS "lastAt",
  encode(a.hash, 'hex') AS hash`

/** {@link ReceiptState} of `public.receipts AS r`. */
export const RECEIPT_COLUMNS = `
  r.receipt_number AS "receiptNumber", r.year, r.number, r.external_ref AS "externalRef", r.user_id AS "userId",
  r.lot_id AS "lotId", ${millis("r.issued_at")} AS "issuedAt", r.snapshot`

/** {@link ReversalState} of `public.reversals AS v` with the lot it took back, `public.lots AS l`. */
export const REVERSAL_COLUMNS = `
  v.external_ref AS "externalRef", v.user_id AS "userId", v.sequence, v.kind, v.lot_id AS "lotId",
  ${millis("l.expires_at")} AS "lotExpiresAt", v.credits, v.expired, v.debt_incurred AS "debtIncurred",
  v.first_seq AS "firstSeq", v.last_seq AS "lastSeq", v.category, v.note, v.actor,
  ${millis("v.reversed_at")} AS "reversedAt",
  CASE WHEN v.outcome IS NOT NULL THEN json_build_object(
    'outcome', v.outcome, 'resolvedAt', ${millis("v.resolved_at")}, 'resolvedBy', v.resolved_by,
    'reinstatement', (
      SELECT json_build_object('lotId', r.lot_id, 'expiresAt', ${millis("r.expires_at")})
      FROM public.lots AS r WHERE r.lot_id = v.reinstatement_lot_id
    )
  ) END AS resolution`

/** {@link StoredPurchase} of `public.purchases AS p`. */
export const PURCHASE_COLUMNS = `
  p.external_ref AS "externalRef", p.user_id AS "userId", p.product_code AS "productCode", p.credits, p.country,
  p.currency, ${decimal("p.amount")} AS amount, p.tax_breakdown AS "taxBreakdown",
  p.payment_method AS "paymentMethod", p.lot_id AS "lotId", p.receipt_number AS "receiptNumber",
  ${millis("p.order_placed_at")} AS "orderPlacedAt", ${millis("p.settled_at")} AS "settledAt",
  ${millis("p.purchased_at")} AS "purchasedAt"`

/** {@link SettingsState} of `public.merchant_settings AS s`. */
export const SETTINGS_COLUMNS = `
  s.merchant_id AS "merchantId", s.legal_name AS "legalName", s.legal_address AS "legalAddress", s.tax_id AS "taxId",
  s.tax_regime AS "taxRegime", ${decimal("s.tax_rate")} AS "taxRate", s.receipt_prefix AS "receiptPrefix",
  s.operation_timeout_minutes AS "operationTimeoutMinutes",
  s.operation_timeout_max_minutes AS "operationTimeoutMaxMinutes", s.late_close_hours AS "lateCloseHours",
  s.max_open_operations AS "maxOpenOperations", s.consumption_order AS "consumptionOrder", s.sandbox`

/** {@link PriceState} of `public.product_prices AS r`. */
export const PRICE_COLUMNS = `r.country, r.currency, ${decimal("r.amount")} AS amount`

/** {@link ProductState} of `public.products AS p`. */
export const PRODUCT_COLUMNS = `
  p.product_code AS "productCode", p.title, p.credits, p.access_period_days AS "accessPeriodDays", p.distribution,
  p.grant_policy AS "grantPolicy", ${millis("p.effective_at")} AS "effectiveAt",
  ${millis("p.archived_at")} AS "archivedAt",
  (SELECT coalesce(json_agg(row_to_json(x)), '[]') FROM (
    SELECT ${PRICE_COLUMNS} FROM public.product_prices AS r WHERE r.product_code = p.product_code
  ) AS x) AS prices`

/** {@link OperationTypeVersion} of `public.operation_types AS t`. */
export const OPERATION_TYPE_COLUMNS = `
  t.operation_type_id AS "operationTypeId", t.operation_type_code AS "operationTypeCode", t.title,
  t.resource_unit AS "resourceUnit", ${decimal("t.credits_per_unit")} AS "creditsPerUnit",
  ${millis("t.effective_at")} AS "effectiveAt", ${millis("t.archived_at")} AS "archivedAt"`

/** All rows of a query as one JSON array, empty for none. */
export const jsonRows = (query: string) => `(SELECT coalesce(json_agg(row_to_json(x)), '[]') FROM (${query}) AS x)`
