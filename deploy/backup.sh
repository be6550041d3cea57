#!/bin/sh
# Dump the database into /backups, read the dump again, and forget the oldest.
#
#   backup.sh once      one dump, now
#   backup.sh daily     one now, and one a day
#   backup.sh check     is the newest dump younger than 26 hours? for health checks
#
# The server is named by the address in the file DATABASE_URL_FILE, or by PostgreSQL's own variables
# (PGHOST, PGUSER, ...), the password then by the file PGPASSWORD_FILE. The login must pass row-level security by: a superuser, or one with BYPASSRLS.
# A dump holds nothing that opens the sealed columns: keep ENCRYPTION_KEYS elsewhere, and keep it.
set -eu
umask 077
folder=${BACKUPS_FOLDER:-/backups}
kept=${BACKUPS_KEPT:-14}

dump() {
    name="$folder/fintech_app-$(date -u +%Y%m%dT%H%M%SZ).dump"
    pg_dump --dbname="$database" --format=custom --file="$name.part" --lock-wait-timeout=60s
    # Every block is read: a dump that was cut off or spoilt is not taken for one.
    pg_restore --file=/dev/null "$name.part"
    mv "$name.part" "$name"
    (cd "$folder" && sha256sum "${name##*/}" > "${name##*/}.sha256")
    echo "backed up to $name, $(wc -c < "$name") bytes"
    ls -1 "$folder"/fintech_app-*.dump | sort -r | tail -n "+$((kept + 1))" | while read -r old; do
        rm -f "$old" "$old.sha256"
    done
}

database=${DATABASE_URL_FILE:+$(cat "$DATABASE_URL_FILE")}
if [ -n "${PGPASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$PGPASSWORD_FILE")
    export PGPASSWORD
fi
case "${1:-once}" in
    once) dump ;;
    daily)
        trap 'exit 0' TERM INT
        while :; do
            dump || echo "the backup failed; trying again in an hour" >&2
            [ -n "$(find "$folder" -name 'fintech_app-*.dump' -mmin -60)" ] && pause=86400 || pause=3600
            sleep "$pause" & wait $!
        done ;;
    check) [ -n "$(find "$folder" -name 'fintech_app-*.dump' -mmin -1560)" ] ;;
    *) echo "once, daily or check" >&2; exit 2 ;;
esac
