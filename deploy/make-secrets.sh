#!/bin/sh
# Make the secrets that are not there yet, one file each; what is there stays.
#
#   sh deploy/make-secrets.sh [FOLDER]              ./secrets, for docker-compose.prod.yml
#   sh deploy/make-secrets.sh --certificate NAME    a certificate of our own into ./ssl, to begin with
#
# The folder is closed to everybody but its owner. The files in it are not: containers see each file
# by itself and read it as users of their own.
#
# DB_USER and DB_PASSWORD come from the environment, else from .env.prod, if there is one.
set -eu

given() { # NAME VALUE: the value, or else what .env.prod says
    found=$2
    if [ -z "$found" ] && [ -r .env.prod ]; then
        found=$(sed -n "s/^$1=//p" .env.prod | tail -n 1 | tr -d "\"'\r")
    fi
    case $found in
        *[!A-Za-z0-9._~-]*)
            echo "$1 may have letters, digits and . _ ~ - only: it is part of an address" >&2
            exit 1 ;;
    esac
    printf '%s' "$found"
}

random() { # BYTES: base64 without what an address would have to escape
    head -c "$1" /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_' | tr -d '='
}

make() { # FILE CONTENT
    [ -s "$1" ] || printf '%s' "$2" > "$1"
    chmod 0444 "$1"
}

if [ "${1:-}" = --certificate ]; then
    name=${2:?say for which host name: sh deploy/make-secrets.sh --certificate money.example.org}
    mkdir -p ssl/acme && chmod 0700 ssl
    chmod 0755 ssl/acme
    if [ ! -s ssl/fullchain.pem ]; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
            -subj "/CN=$name" -addext "subjectAltName=DNS:$name" \
            -keyout ssl/privkey.pem -out ssl/fullchain.pem 2>/dev/null
        chmod 0444 ssl/privkey.pem ssl/fullchain.pem
    fi
    exit
fi

folder=${1:-secrets}
user=$(given DB_USER "${DB_USER:-}")
password=$(given DB_PASSWORD "${DB_PASSWORD:-}")
mkdir -p "$folder"
[ "$folder" = "${folder#/}" ] && chmod 0700 "$folder"
cd "$folder"
make secret_key "$(random 48)"
make encryption_keys "k1:$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
make postgres_password "${password:-$(random 24)}"
make redis_password "$(random 24)"
make metrics_token "$(random 24)"
make database_url "postgresql://${user:-fintech}:$(cat postgres_password)@postgres:5432/fintech_app"
make redis_url "redis://:$(cat redis_password)@redis:6379/0"
# From Plaid's dashboard, your language model, your mail server (smtp_url), your OpenID Connect provider and your bucket's owner: empty until you write them.
for name in plaid_client_id plaid_secret openai_api_key smtp_url oidc_client_secret backup_credentials; do
    [ -e "$name" ] || : > "$name"
    chmod 0444 "$name"
done
