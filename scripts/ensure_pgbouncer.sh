#!/bin/sh
# Make sure that PgBouncer is there for tests/scaling, which say so and are skipped without it.
set -eu
if command -v pgbouncer >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing PgBouncer with apt-get ..."
    # No service is started: the tests start their own.
    if apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends pgbouncer >/dev/null; then
        exit 0
    fi
fi
echo "The tests of the pooler are skipped: they need PgBouncer, sudo apt-get install pgbouncer" >&2
