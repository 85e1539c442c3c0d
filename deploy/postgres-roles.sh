#!/usr/bin/env bash
# Runs once, when the cluster is made: a database and a role for each service, and no way from one to the other.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
    --set booking="$BOOKING_PASSWORD" --set notify="$NOTIFY_PASSWORD" <<'SQL'
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
CREATE ROLE booking LOGIN PASSWORD :'booking';
CREATE ROLE notify LOGIN PASSWORD :'notify';
ALTER ROLE booking SET log_min_error_statement = 'panic'; -- statements carry what people wrote
CREATE DATABASE booking OWNER booking TEMPLATE template0;
CREATE DATABASE notify OWNER notify TEMPLATE template0;
REVOKE ALL ON DATABASE booking, notify FROM PUBLIC;
SQL
