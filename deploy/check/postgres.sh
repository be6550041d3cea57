#!/bin/sh
# What the official image's entrypoint does with the variables that the deployment files set.
set -eu
export PGDATA="${PGDATA:-/var/lib/postgresql/data}"
: "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres "$PGDATA" /var/run/postgresql
    exec gosu postgres sh "$0" "$@"
fi
mkdir -p "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=${POSTGRES_PASSWORD_FILE:-/tmp/password}
    [ -n "${POSTGRES_PASSWORD_FILE:-}" ] || printf '%s' "$POSTGRES_PASSWORD" > "$password"
    initdb --username "$POSTGRES_USER" --pwfile "$password" --auth-host scram-sha-256 \
        --auth-local trust -E UTF8 --locale C.UTF-8
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl start -w -o "-c listen_addresses=''"
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE $POSTGRES_DB"
    pg_ctl stop -w -m fast
fi
exec "$@" -c listen_addresses='*'
