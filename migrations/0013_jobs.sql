-- Jobs that live in the database: which there are, how their runs are told, and who runs them. What each does is in the
-- next migration. pg_cron runs them where it is there, the service where it is not; by hand: CALL app.expire_lots().
--
-- A job's lock is an advisory lock of its session, (1129465156, lock_key), held from its start to its end; 0001 lists
-- the others of this class. The transactions of a job take theirs in the order of all writers: the barrier, accounts
-- sorted, keys. job_runs and verified_accounts are written last.

ALTER TABLE public.merchant_settings
  -- How much of the time a job works; between its batches it rests for the remainder. 100: it never rests.
  ADD COLUMN job_work_percent integer NOT NULL DEFAULT 20
    CONSTRAINT merchant_settings_job_work CHECK (job_work_percent BETWEEN 1 AND 100),
  -- Accounts that one transaction of a job settles or verifies.
  ADD COLUMN job_batch_accounts integer NOT NULL DEFAULT 100
    CONSTRAINT merchant_settings_job_accounts CHECK (job_batch_accounts BETWEEN 1 AND 1000),
  -- Rows that one transaction of a job deletes, or entries that it verifies.
  ADD COLUMN job_batch_rows integer NOT NULL DEFAULT 1000
    CONSTRAINT merchant_settings_job_rows CHECK (job_batch_rows BETWEEN 1 AND 10000),
  -- An operation that ended without a charge is kept so long after its expiry: at least the life of an idempotency key.
  ADD COLUMN operation_retention_hours integer NOT NULL DEFAULT 2160
    CONSTRAINT merchant_settings_operation_retention CHECK (operation_retention_hours BETWEEN 168 AND 876000),
  -- How long the runs of jobs are told. The last success of each stays.
  ADD COLUMN job_run_retention_hours integer NOT NULL DEFAULT 720
    CONSTRAINT merchant_settings_job_run_retention CHECK (job_run_retention_hours BETWEEN 24 AND 87600);

-- The jobs of this database, and who runs each: never two at once.
CREATE TABLE app.jobs (
  job_name text COLLATE "C" PRIMARY KEY CONSTRAINT jobs_job_name CHECK (job_name ~ '^[a-z_]{1,40}$'),
  -- The statement that runs it, and the only one of its run: a procedure that commits may have no company.
  command text NOT NULL,
  -- Second key of the advisory lock that one run holds.
  lock_key integer NOT NULL CONSTRAINT jobs_lock_key UNIQUE,
  -- Minute, hour, day of month, month, day of week; GMT.
  schedule text COLLATE "C" NOT NULL CONSTRAINT jobs_schedule CHECK (schedule ~ '^[0-9*/,-]+( [0-9*/,-]+){4}$'),
  -- Set by registration: 'service' until a pg_cron is found, and never both.
  runner text COLLATE "C" NOT NULL DEFAULT 'service' CONSTRAINT jobs_runner CHECK (runner IN ('service', 'pg_cron')),
  -- The database whose pg_cron runs it.
  cron_database text,
  -- A run is due when its schedule has come since the last one, or since this.
  scheduled_since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  -- What the next run goes on from.
  progress jsonb NOT NULL DEFAULT '{}',
  CONSTRAINT jobs_cron_database CHECK ((runner = 'pg_cron') = (cron_database IS NOT NULL))
);

INSERT INTO app.jobs (job_name, command, lock_key, schedule) VALUES
  ('operation_cleanup', 'CALL app.cleanup_expired_operations()', 11, '*/15 * * * *'),
  ('lot_expiry', 'CALL app.expire_lots()', 12, '0 2 * * *'),
  ('idempotency_cleanup', 'CALL app.cleanup_idempotency()', 13, '0 3 * * *'),
  ('partition_creation', 'CALL app.create_partitions()', 14, '0 1 * * *'),
  ('ledger_verification', 'CALL app.verify_ledger()', 15, '30 * * * *');

-- One row per run, by the wall clock of the database, whatever a sandbox's clock says. It is told as the run goes: what
-- was done up to a failure stays done, and stays told.
CREATE TABLE app.job_runs (
  run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_name text COLLATE "C" NOT NULL REFERENCES app.jobs (job_name),
  -- running; succeeded; failed: an error, or drift that was found; skipped: another run was at work; paused: the
  -- merchant is in maintenance, a later run goes on; interrupted: cut off, as the next run found.
  state text COLLATE "C" NOT NULL DEFAULT 'running' CONSTRAINT job_runs_state CHECK (
    state IN ('running', 'succeeded', 'failed', 'skipped', 'paused', 'interrupted')
  ),
  -- The application_name of its session: pg_cron, credit-service, psql…
  started_by text NOT NULL DEFAULT pg_catalog.current_setting('application_name'),
  -- The transaction id of the Job.Run that asked for it.
  requested_by uuid,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  backend_pid integer NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
  batches bigint NOT NULL DEFAULT 0,
  -- Entries booked, operations released or deleted, keys deleted, months made, accounts verified.
  affected_rows bigint NOT NULL DEFAULT 0,
  -- The longest batch: no transaction of a job was longer.
  longest_batch_ms integer NOT NULL DEFAULT 0,
  detail jsonb NOT NULL DEFAULT '{}',
  sql_state text,
  error text,
  CONSTRAINT job_runs_finished CHECK ((state = 'running') = (finished_at IS NULL))
);

-- The runs of a job, newest first: Job.Status, what is due, trimming.
CREATE INDEX job_runs_by_job ON app.job_runs (job_name, run_id);
-- The last success of a job.
CREATE INDEX job_runs_succeeded ON app.job_runs (job_name, run_id) WHERE state = 'succeeded';
-- One run per request.
CREATE UNIQUE INDEX job_runs_by_request ON app.job_runs (requested_by) WHERE requested_by IS NOT NULL;

-- How far an account's entries have been verified: what they had come to by then. lots holds what each lot had left,
-- where that is not nothing. Only ever written by app.verify_ledger.
CREATE TABLE app.verified_accounts (
  user_id app.user_id PRIMARY KEY,
  seq bigint NOT NULL,
  balance bigint NOT NULL,
  debt bigint NOT NULL,
  hash bytea NOT NULL,
  last_at timestamptz NOT NULL,
  lots jsonb NOT NULL
);

-- The accounts that do not agree with their entries, as last seen. A row goes when its account agrees again.
CREATE TABLE app.ledger_findings (
  user_id app.user_id PRIMARY KEY,
  problem text NOT NULL,
  found_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  seen_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- app.expire_lots: what is due, in order. Like lots_active_by_user it leaves the moves of remaining HOT.
CREATE INDEX lots_active_by_expiry ON public.lots (expires_at, lot_id) WHERE active;

-- app.cleanup_expired_operations: open ones past their expiry, and those kept long enough.
CREATE INDEX operations_open_by_expiry ON public.operations (expires_at, operation_id) WHERE status = 'open';
CREATE INDEX operations_ended_by_expiry ON public.operations (expires_at, operation_id)
WHERE status IN ('expired', 'cancelled');

-- app.verify_ledger: the entries of the last hour, which lie together. It costs an insert next to nothing, and a day of
-- entries a few pages; ids do not serve, for their time is that of the process that made them.
CREATE INDEX ledger_entries_by_time ON public.ledger_entries
USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);

-- A UUIDv7 of an instant: 48 bits of milliseconds, then random ones. The order of entries is their seq.
CREATE FUNCTION app.uuid_v7(instant timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN pg_catalog.encode(
  -- gen_random_uuid makes version 4 (0100): bits 52 and 53 make it 7 (0111).
  pg_catalog.set_bit(
    pg_catalog.set_bit(
      overlay(
        pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
        PLACING substring(pg_catalog.int8send(app.epoch_milliseconds(instant)) FROM 3) FROM 1 FOR 6
      ),
      52, 1
    ),
    53, 1
  ),
  'hex'
)::uuid;

-- Begins to tell a run, whose job's lock this session holds: a run of it that is told as running cannot be, and is
-- closed. Deletes what has been told for long enough.
CREATE FUNCTION app.begin_job_run(job text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  keep CONSTANT interval := make_interval(
    hours => coalesce((SELECT s.job_run_retention_hours FROM public.merchant_settings AS s), 720)
  );
  run bigint;
BEGIN
  UPDATE app.job_runs AS r
  SET state = 'interrupted', finished_at = clock_timestamp(),
    error = 'the run was cut off: its session or the server ended; what its batches had done stays'
  WHERE r.job_name = job AND r.state = 'running';

  DELETE FROM app.job_runs AS r
  WHERE r.job_name = job
    AND r.started_at < clock_timestamp() - keep
    AND r.run_id < (
      SELECT max(l.run_id) FROM app.job_runs AS l WHERE l.job_name = job AND l.state = 'succeeded'
    );

  INSERT INTO app.job_runs (job_name, requested_by)
  VALUES (job, nullif(current_setting('credit.job_request', true), '')::uuid)
  RETURNING run_id INTO run;
  RETURN run;
END
$$;

-- Runs a job, batch by batch, each a transaction of its own: the body of the procedures of the next migration. It must be
-- the only statement of its session's command, because it commits.
--
-- A batch is a function from what the run knows to what it knows then (jsonb): rows, what it did; done; paused;
-- whatever else it goes on from. An error in a batch undoes that batch and no other. Conflicts with other writers are
-- tried again. Where the batch is about accounts, those of the failed one are done one by one, and the one that fails
-- is passed by: an account that is broken must not keep the others waiting. The run then goes on to its end, is told
-- as failed, and the first error is raised.
CREATE PROCEDURE app.run_job(job text, start jsonb DEFAULT '{}')
LANGUAGE plpgsql
AS $$
DECLARE
  lock_key integer;
  run bigint;
  knows jsonb := start;
  began timestamptz;
  worked double precision;
  work_percent double precision;
  rest double precision;
  tries integer := 0;
  failures integer := 0;
  first_state text;
  first_error text;
  batch_state text;
  batch_error text;
  cancelled boolean := false;
BEGIN
  IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'jobs run under READ COMMITTED: what a lock waited for must be seen'
      USING ERRCODE = 'invalid_transaction_state';
  END IF;
  SELECT j.lock_key INTO lock_key FROM app.jobs AS j WHERE j.job_name = job;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no job %', job USING ERRCODE = 'undefined_object';
  END IF;
  IF NOT pg_catalog.pg_try_advisory_lock(1129465156, lock_key) THEN
    INSERT INTO app.job_runs (job_name, requested_by, state, finished_at, error)
    VALUES (
      job, nullif(pg_catalog.current_setting('credit.job_request', true), '')::uuid, 'skipped',
      pg_catalog.clock_timestamp(), 'another run is at work'
    );
    RETURN;
  END IF;
  run := app.begin_job_run(job);
  COMMIT;

  LOOP
    began := pg_catalog.clock_timestamp();
    batch_error := NULL;
    BEGIN
      -- A wait for the barrier ends, and is tried again.
      PERFORM pg_catalog.set_config('lock_timeout', '2s', true);
      knows := app.job_batch(job, knows);
    EXCEPTION
      WHEN query_canceled OR others THEN
        GET STACKED DIAGNOSTICS batch_state = RETURNED_SQLSTATE, batch_error = MESSAGE_TEXT;
    END;
    worked := extract(epoch FROM pg_catalog.clock_timestamp() - began);

    IF batch_error IS NULL THEN
      tries := 0;
      IF (knows ->> 'single') IS NOT NULL THEN
        knows := CASE
          WHEN (knows ->> 'single')::integer > 1
            THEN knows || pg_catalog.jsonb_build_object('single', (knows ->> 'single')::integer - 1)
          ELSE knows - 'single'
        END;
      END IF;
    ELSIF batch_state IN ('40001', '40P01', '55P03') AND tries < 5 THEN
      tries := tries + 1;
    ELSIF batch_state <> '57014' AND job IN ('lot_expiry', 'operation_cleanup') AND failures < 100 THEN
      tries := 0;
      IF (knows ->> 'single') IS NULL THEN
        knows := knows || '{"single": 100}';
      ELSE
        failures := failures + 1;
        knows := knows || '{"skip": true}';
        first_state := coalesce(first_state, batch_state);
        first_error := coalesce(first_error, batch_error);
      END IF;
    ELSE
      failures := failures + 1;
      first_state := coalesce(first_state, batch_state);
      first_error := coalesce(first_error, batch_error);
      knows := knows || '{"done": true}';
    END IF;

    UPDATE app.job_runs AS r
    SET
      batches = r.batches + 1,
      affected_rows = r.affected_rows + CASE WHEN batch_error IS NULL THEN coalesce((knows ->> 'rows')::bigint, 0) ELSE 0 END,
      longest_batch_ms = greatest(r.longest_batch_ms, pg_catalog.ceil(worked * 1000)::integer),
      detail = coalesce(knows -> 'detail', '{}') || CASE
        WHEN failures > 0 THEN pg_catalog.jsonb_build_object('failures', failures) ELSE '{}'
      END
    WHERE r.run_id = run;
    SELECT s.job_work_percent INTO work_percent FROM public.merchant_settings AS s;
    COMMIT;
    EXIT WHEN coalesce((knows ->> 'done')::boolean, false);

    -- Rests outside of any batch's transaction, and never long in one: a snapshot kept would keep vacuum waiting.
    rest := CASE
      WHEN batch_error IS NOT NULL THEN 0.1
      ELSE worked * (100 - coalesce(work_percent, 20)) / coalesce(work_percent, 20)
    END;
    WHILE rest > 0 AND NOT cancelled LOOP
      BEGIN
        PERFORM pg_catalog.pg_sleep(least(rest, 0.25));
      EXCEPTION
        WHEN query_canceled THEN
          cancelled := true;
          first_state := coalesce(first_state, '57014');
          first_error := coalesce(first_error, 'the run was cancelled');
      END;
      COMMIT;
      rest := rest - 0.25;
    END LOOP;
    EXIT WHEN cancelled;
  END LOOP;

  first_error := coalesce(first_error, knows ->> 'fault');
  UPDATE app.job_runs AS r
  SET
    state = CASE
      WHEN first_error IS NOT NULL THEN 'failed'
      WHEN (knows ->> 'paused')::boolean THEN 'paused'
      ELSE 'succeeded'
    END,
    finished_at = pg_catalog.clock_timestamp(),
    sql_state = CASE WHEN first_error IS NOT NULL THEN coalesce(first_state, 'CR006') END,
    error = first_error
  WHERE r.run_id = run;
  COMMIT;
  PERFORM pg_catalog.pg_advisory_unlock(1129465156, lock_key);
  IF first_error IS NOT NULL THEN
    RAISE EXCEPTION USING
      ERRCODE = coalesce(first_state, 'CR006'),
      MESSAGE = pg_catalog.format('%s failed: %s', job, first_error),
      DETAIL = pg_catalog.format('run %s of app.job_runs tells what was done', run);
  END IF;
END
$$;
