#!/usr/bin/env bash
# Runs once, when the database is made: a user for Grafana who reads the views and nothing else. The schema that `fandom migrate`
# makes later is given by default privileges.
set -euo pipefail

psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 \
  --set password="$(cat "$GRAFANA_PASSWORD_FILE")" --set owner="$POSTGRES_USER" --set database="$POSTGRES_DB" <<'SQL'
create role grafana login password :'password' connection limit 10;
alter role grafana set default_transaction_read_only = on;
alter role grafana set statement_timeout = '15s';
grant connect on database :"database" to grafana;
create role views_reader;
grant views_reader to grafana;
alter default privileges for role :"owner" grant usage on schemas to views_reader;
alter default privileges for role :"owner" grant select on tables to views_reader;
SQL
