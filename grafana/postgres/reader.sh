#!/usr/bin/env bash
# Gives Grafana a user who reads the views and nothing else. Run after each `fandom migrate`; a second time changes nothing.
# DATABASE_URL_FILE names a file with the owner's address of the database, GRAFANA_PASSWORD_FILE one with the password to set.
set -euo pipefail

psql "$(cat "$DATABASE_URL_FILE")" --quiet --set ON_ERROR_STOP=1 --set password="$(cat "$GRAFANA_PASSWORD_FILE")" <<'SQL'
select 'create role grafana' where not exists (select from pg_roles where rolname = 'grafana') \gexec
alter role grafana login password :'password' connection limit 10;
alter role grafana set default_transaction_read_only = on;
alter role grafana set statement_timeout = '15s';
select format('grant connect on database %I to grafana', current_database()) \gexec
grant usage on schema views to grafana;
grant select on all tables in schema views to grafana;
alter default privileges in schema views grant select on tables to grafana;
SQL
