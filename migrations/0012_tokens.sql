-- Which tokens no longer count, although their signature and dates are good. Read as a whole by every server that serves
-- this merchant, some times a minute. Inserts only: what was revoked stays so.

CREATE TABLE public.token_revocations (
  revocation_id uuid PRIMARY KEY,
  -- One token, by its id; or all that were issued before an instant, of one role or of all.
  jti text COLLATE "C"
    CONSTRAINT token_revocations_jti CHECK (pg_catalog.octet_length(jti) BETWEEN 1 AND 200 AND jti !~ '[^!-~]'),
  issued_before app.instant,
  role text COLLATE "C"
    CONSTRAINT token_revocations_role CHECK (role IN ('user', 'app', 'admin', 'operator')),
  note text CONSTRAINT token_revocations_note CHECK (pg_catalog.length(note) <= 2000),
  -- The database's own clock: a sandbox that moves its clock ahead does not age a token.
  revoked_at app.instant NOT NULL DEFAULT pg_catalog.date_trunc('milliseconds', pg_catalog.clock_timestamp()),
  CONSTRAINT token_revocations_of_one_or_many CHECK ((jti IS NULL) <> (issued_before IS NULL)),
  CONSTRAINT token_revocations_role_of_many CHECK (jti IS NULL OR role IS NULL)
);

-- What a server reads: the revocations of tokens that could still be good, newest first.
CREATE INDEX token_revocations_by_time ON public.token_revocations (revoked_at);

CREATE TRIGGER token_revocations_are_immutable
BEFORE UPDATE OR DELETE OR TRUNCATE ON public.token_revocations
FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_change('what was revoked stays so');
ALTER TABLE public.token_revocations ENABLE ALWAYS TRIGGER token_revocations_are_immutable;

GRANT SELECT, INSERT ON public.token_revocations TO credit_runtime;
