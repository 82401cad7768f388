-- What was asked, once per key, and who of the staff asked it.

-- One row per key of a command. It commits together with the command's effect; PENDING is committed only by commands
-- that reach beyond one transaction, which hold a lease and a fence.
-- Writers insert sorted by (command_type, idempotency_key), after accounts and the receipt counter.
CREATE TABLE public.idempotency_tracking (
  command_type app.code NOT NULL,
  idempotency_key app.idempotency_key NOT NULL,
  state text COLLATE "C" NOT NULL CONSTRAINT idempotency_tracking_state CHECK (
    state IN ('PENDING', 'SUCCEEDED', 'FAILED_FINAL', 'FAILED_RETRIABLE')
  ),
  -- SHA-256 of the decoded payload in canonical form.
  fingerprint app.hash NOT NULL,
  -- Short keyed hashes per field, so that a conflict can name the fields that differ and not their values.
  field_hashes text COLLATE "C" NOT NULL DEFAULT '',
  contract_version integer NOT NULL CONSTRAINT idempotency_tracking_contract_version CHECK (contract_version >= 1),
  -- Text, not jsonb: a replay equals the first answer to the letter.
  response text COLLATE "C",
  transaction_id uuid NOT NULL,
  claimed_at app.instant NOT NULL,
  -- claimed_at + 168 hours; from then on the key is new again.
  expires_at app.instant NOT NULL,
  lease_until app.instant,
  fence bigint NOT NULL DEFAULT 0 CONSTRAINT idempotency_tracking_fence CHECK (fence >= 0),
  PRIMARY KEY (command_type, idempotency_key),
  CONSTRAINT idempotency_tracking_expires_later CHECK (expires_at > claimed_at),
  CONSTRAINT idempotency_tracking_final_answers CHECK (
    state NOT IN ('SUCCEEDED', 'FAILED_FINAL') OR response IS NOT NULL
  ),
  CONSTRAINT idempotency_tracking_pending_leases CHECK (state <> 'PENDING' OR lease_until IS NOT NULL)
) WITH (fillfactor = 90);

-- Cleanup: the rows past their time, in batches.
CREATE INDEX idempotency_tracking_by_expiry ON public.idempotency_tracking (expires_at);

-- A final answer stands until it expires.
CREATE TRIGGER idempotency_tracking_final
BEFORE UPDATE OR DELETE ON public.idempotency_tracking
FOR EACH ROW WHEN (OLD.state IN ('SUCCEEDED', 'FAILED_FINAL') AND OLD.expires_at > app.now())
EXECUTE FUNCTION app.refuse_change('a final answer stands until it expires');
ALTER TABLE public.idempotency_tracking ENABLE ALWAYS TRIGGER idempotency_tracking_final;

CREATE TRIGGER idempotency_tracking_never_truncated
BEFORE UPDATE OF command_type, idempotency_key OR TRUNCATE ON public.idempotency_tracking
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('a key is what a row is about');
ALTER TABLE public.idempotency_tracking ENABLE ALWAYS TRIGGER idempotency_tracking_never_truncated;

-- Every admin and operator command that was decided. Inserts only.
CREATE TABLE public.audit_log (
  audit_id uuid PRIMARY KEY,
  at app.instant NOT NULL,
  jti text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  command text COLLATE "C" NOT NULL,
  idempotency_key app.idempotency_key NOT NULL,
  transaction_id uuid NOT NULL,
  -- 'succeeded', or the tag of the refusal.
  outcome text COLLATE "C" NOT NULL,
  detail jsonb
);

-- ListAuditLog: newest first, keyset pages. The ids' own order is the database's clock, not a sandbox's.
CREATE INDEX audit_log_by_time ON public.audit_log (at, audit_id);

CREATE TRIGGER audit_log_is_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.audit_log
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change();
ALTER TABLE public.audit_log ENABLE ALWAYS TRIGGER audit_log_is_immutable;
