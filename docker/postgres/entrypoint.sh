#!/bin/sh
# Makes the cluster at the first start, then runs it. POSTGRES_PASSWORD is the administrator's (postgres).
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD, the password of the administrator postgres}"
  secret=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" > "$secret"
  # pg_cron comes in by the socket, which only the user postgres of this container reaches.
  initdb --username=postgres --pwfile="$secret" --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale=C --data-checksums
  rm -f "$secret"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  cat >> "$PGDATA/postgresql.conf" <<CONF
listen_addresses = '*'
timezone = 'UTC'
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.host = '/var/run/postgresql'
CONF
  pg_ctl start --wait --silent -o "-c listen_addresses=''"
  psql --quiet --no-psqlrc --dbname=postgres --command='CREATE EXTENSION pg_cron'
  pg_ctl stop --wait --silent --mode=fast
fi

exec postgres "$@"
