/** Whether a session of this database holds the lock of `app.jobs AS j`: then the job is at work. */
export const LOCKED = `
  EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1129465156 AND l.objid = j.lock_key
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  )`
