#!/bin/sh
# Google Cloud Run, step by step; docs/guides/deploy-to-google-cloud.md says when. Every step may be
# repeated: what is there stays.
#
#   sh deploy/cloud-run/setup.sh create             address, database, broker, bucket, registry, accounts
#   sh deploy/cloud-run/setup.sh secrets [FOLDER]   what make-secrets.sh made and you filled in
#   sh deploy/cloud-run/setup.sh release TAG        build, push, back up, migrate, serve; also to update
#   sh deploy/cloud-run/setup.sh balancer           https at HOST; once, after the first release
#   sh deploy/cloud-run/setup.sh firewall           Cloud Armor before the balancer; it costs by rule
#   sh deploy/cloud-run/setup.sh rollback TAG       serve an older image again; migrates nothing
#   sh deploy/cloud-run/setup.sh run COMMAND…       the program once, such as: run fintech doctor
#   sh deploy/cloud-run/setup.sh backup             a sealed backup into the bucket, now
#   sh deploy/cloud-run/setup.sh check              the newest backup restored aside, and compared
#
# Needs the gcloud CLI, signed in, and for `release` Docker. PROJECT, REGION and HOST say where;
# SKIP_BACKUP=1 lets `release` migrate without a backup.
set -eu
project=${PROJECT:?say which project} region=${REGION:?say which region} host=${HOST:?say which host name}
here=$(dirname "$0")
bucket=gs://$project-fintech-backups
image=$region-docker.pkg.dev/$project/fintech/fintech-app
# What need not be there, under the names of the program's settings in lower case.
optional="plaid-client-id plaid-secret openai-api-key smtp-url oidc-client-secret sentry-dsn
    rollbar-access-token bugsnag-api-key otel-exporter-otlp-headers"
# What the jobs for backups read.
of_backups="database-url redis-url secret-key encryption-keys sentry-dsn rollbar-access-token
    bugsnag-api-key otel-exporter-otlp-headers"
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

google() { gcloud --quiet --project="$project" "$@"; }

is_there() { google "$@" > /dev/null 2>&1; }

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }

address() { google compute addresses describe fintech --global --format='value(address)'; }

has_secret() { is_there secrets versions access latest "--secret=$1"; }

email() { echo "$1@$project.iam.gserviceaccount.com"; } # ACCOUNT

let_read() { # SECRET ACCOUNT
    google secrets add-iam-policy-binding "$1" --role=roles/secretmanager.secretAccessor \
        "--member=serviceAccount:$(email "$2")" > /dev/null
}

put() { # SECRET [ACCOUNT]: from standard input
    is_there secrets describe "$1" || google secrets create "$1" --replication-policy=automatic
    google secrets versions add "$1" --data-file=-
    let_read "$1" "${2:-fintech-run}"
}

add_settings() { # FILE: what settings.env says, in place of what stands there
    [ -s settings.env ] || return 0
    indent=$(sed -n 's/- {name: DATABASE_URL, .*//p' "$1")
    grep -E '^[A-Z0-9_]+=' settings.env | while IFS='=' read -r name value; do
        sed -i.before "/- {name: $name, /d" "$1"
        value=$(printf '%s' "$value" | sed 's/[\\"]/\\&/g')
        printf '%s- {name: %s, value: "%s"}\n' "$indent" "$name" "$value" >> "$1"
    done
}

render() { # FILE TAG: with what stands in braces filled in; prints where
    set -- "$1" "$2" "$rendered/$1"
    sed -e "s|\${PROJECT}|$project|g" -e "s|\${REGION}|$region|g" -e "s|\${HOST}|$host|g" \
        -e "s|\${TAG}|$2|g" -e "s|\${ADDRESS}|$(address)|g" "$here/$1" > "$3"
    for secret in $optional; do
        has_secret "$secret" || sed -i.before "/# with $secret\$/d" "$3"
    done
    add_settings "$3"
    echo "$3"
}

create_accounts() {
    # The program; the jobs for backups; who may write to the bucket; who starts those jobs.
    for account in fintech-run fintech-backup fintech-bucket fintech-schedule; do
        is_there iam service-accounts describe "$(email $account)" ||
            google iam service-accounts create $account
    done
    for account in fintech-run fintech-backup; do
        google projects add-iam-policy-binding "$project" "--member=serviceAccount:$(email $account)" \
            --role=roles/cloudsql.client --condition=None > /dev/null
    done
}

create_database() {
    is_there sql instances describe fintech || google sql instances create fintech \
        --database-version=POSTGRES_15 --edition=enterprise --tier=db-custom-1-3840 \
        "--region=$region" --availability-type="${AVAILABILITY:-REGIONAL}" \
        --storage-type=SSD --storage-size=20 --storage-auto-increase \
        --backup-start-time=02:00 --enable-point-in-time-recovery --retained-backups-count=14 \
        --connector-enforcement=REQUIRED --deletion-protection \
        --database-flags=max_connections=300,log_min_duration_statement=1000
    is_there sql databases describe fintech_app --instance=fintech ||
        google sql databases create fintech_app --instance=fintech
    has_secret database-url && return
    password=$(random)
    # Its password is set again if an earlier try ended before the secret was written.
    google sql users create fintech --instance=fintech "--password=$password" ||
        google sql users set-password fintech --instance=fintech "--password=$password"
    printf 'postgresql://fintech:%s@/fintech_app?host=/cloudsql/%s:%s:fintech' \
        "$password" "$project" "$region" | put database-url
}

create_broker() {
    is_there redis instances describe fintech "--region=$region" || google redis instances create fintech \
        "--region=$region" --size=1 --tier="${BROKER_TIER:-standard}" --redis-version=redis_7_0 \
        --network=default --enable-auth --redis-config=maxmemory-policy=noeviction
    has_secret redis-url && return
    where=$(google redis instances describe fintech "--region=$region" --format='value(host)')
    password=$(google redis instances get-auth-string fintech "--region=$region" --format='value(authString)')
    printf 'redis://:%s@%s:6379/0' "$password" "$where" | put redis-url
}

create_bucket() {
    is_there storage buckets describe "$bucket" || google storage buckets create "$bucket" \
        "--location=$region" --uniform-bucket-level-access --public-access-prevention
    # What is deleted or written over can be had back for a month: only who may change the bucket itself
    # can end that, and the program may not.
    google storage buckets update "$bucket" --soft-delete-duration=30d "--lifecycle-file=$here/bucket.json"
    google storage buckets add-iam-policy-binding "$bucket" --role=roles/storage.objectUser \
        "--member=serviceAccount:$(email fintech-bucket)" > /dev/null
    has_secret backup-credentials && return
    # Its secret half is told once. Of a try that ended here the guide says how to find the key.
    key=$(google storage hmac create "$(email fintech-bucket)" --format='value(metadata.accessId,secret)')
    printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
        "${key%%[[:space:]]*}" "${key##*[[:space:]]}" | put backup-credentials fintech-backup
}

start_each() { # JOB FILE WHEN
    google run jobs replace "$2" "--region=$region"
    google run jobs add-iam-policy-binding "$1" "--region=$region" --role=roles/run.jobsExecutor \
        "--member=serviceAccount:$(email fintech-schedule)" > /dev/null
    is_there scheduler jobs describe "$1" "--location=$region" ||
        google scheduler jobs create http "$1" "--location=$region" "--schedule=$3" --time-zone=Etc/UTC \
            "--uri=https://run.googleapis.com/v2/projects/$project/locations/$region/jobs/$1:run" \
            --http-method=POST "--oauth-service-account-email=$(email fintech-schedule)"
}

back_up() { google run jobs execute fintech-backup "--region=$region" --wait; }

keep_backing_up() { # TAG
    for secret in $of_backups; do
        ! has_secret "$secret" || let_read "$secret" fintech-backup
    done
    start_each fintech-backup "$(render backup-job.yaml "$1")" '17 3 * * *'
    start_each fintech-restore-check "$(render restore-check-job.yaml "$1")" '47 4 * * 0'
}

serve() { # TAG
    google run services replace "$(render service.yaml "$1")" "--region=$region"
    # The program has its own sign-in; only the load balancer reaches it.
    google run services add-iam-policy-binding fintech-app "--region=$region" \
        --member=allUsers --role=roles/run.invoker > /dev/null
    for pool in celery celery-sync celery-beat; do
        google run worker-pools replace "$(render $pool.yaml "$1")" "--region=$region"
    done
    keep_backing_up "$1"
}

case "${1:-}" in
    create)
        google services enable run.googleapis.com sqladmin.googleapis.com redis.googleapis.com \
            secretmanager.googleapis.com artifactregistry.googleapis.com compute.googleapis.com \
            dns.googleapis.com storage.googleapis.com cloudscheduler.googleapis.com
        create_accounts
        is_there artifacts repositories describe fintech "--location=$region" ||
            google artifacts repositories create fintech --repository-format=docker "--location=$region"
        is_there compute addresses describe fintech --global ||
            google compute addresses create fintech --global
        create_database
        create_broker
        create_bucket
        echo "let $host lead to $(address)"
        ;;
    secrets)
        folder=${2:-secrets}
        # Another value would lock away what the first one sealed, or sign everybody out.
        for name in secret_key encryption_keys metrics_token; do
            secret=$(echo $name | tr _ -)
            has_secret "$secret" || put "$secret" < "$folder/$name"
        done
        for secret in $optional; do
            file=$folder/$(echo "$secret" | tr - _)
            [ ! -s "$file" ] || put "$secret" < "$file"
        done
        ;;
    release)
        tag=${2:?say which tag, such as 0.1.0}
        google auth configure-docker "$region-docker.pkg.dev"
        docker build --platform linux/amd64 -t "$image:$tag" .
        docker push "$image:$tag"
        # The old program, which knows today's schema, backs up before it changes; the first release
        # finds no job for that, and nothing to lose.
        if [ -z "${SKIP_BACKUP:-}" ] && is_there run jobs describe fintech-backup "--region=$region" &&
            ! back_up; then
            echo "No backup, no migration: the old program goes on. Look why, and release $tag again;" \
                "SKIP_BACKUP=1 before the command goes on without a backup." >&2
            exit 1
        fi
        # The schema goes first: the old program works with the new one, not the other way round.
        google run jobs replace "$(render job.yaml "$tag")" "--region=$region"
        google run jobs execute fintech-once "--region=$region" --wait
        serve "$tag"
        ;;
    balancer)
        is_there compute ssl-certificates describe fintech --global ||
            google compute ssl-certificates create fintech --global "--domains=$host"
        is_there compute network-endpoint-groups describe fintech "--region=$region" ||
            google compute network-endpoint-groups create fintech "--region=$region" \
                --network-endpoint-type=serverless --cloud-run-service=fintech-app
        if ! is_there compute backend-services describe fintech --global; then
            google compute backend-services create fintech --global --load-balancing-scheme=EXTERNAL_MANAGED
        fi
        google compute backend-services describe fintech --global --format='value(backends)' | grep -q fintech ||
            google compute backend-services add-backend fintech --global \
                --network-endpoint-group=fintech "--network-endpoint-group-region=$region"
        is_there compute url-maps describe fintech --global ||
            google compute url-maps create fintech --global --default-service=fintech
        is_there compute ssl-policies describe fintech --global ||
            google compute ssl-policies create fintech --global --profile=MODERN --min-tls-version=1.2
        is_there compute target-https-proxies describe fintech --global ||
            google compute target-https-proxies create fintech --global --url-map=fintech \
                --ssl-certificates=fintech --ssl-policy=fintech
        is_there compute forwarding-rules describe fintech --global ||
            google compute forwarding-rules create fintech --global --address=fintech --ports=443 \
                --load-balancing-scheme=EXTERNAL_MANAGED --target-https-proxy=fintech
        is_there compute url-maps describe fintech-plain --global ||
            google compute url-maps import fintech-plain --global "--source=$here/plain.yaml"
        is_there compute target-http-proxies describe fintech-plain --global ||
            google compute target-http-proxies create fintech-plain --global --url-map=fintech-plain
        is_there compute forwarding-rules describe fintech-plain --global ||
            google compute forwarding-rules create fintech-plain --global --address=fintech --ports=80 \
                --load-balancing-scheme=EXTERNAL_MANAGED --target-http-proxy=fintech-plain
        ;;
    firewall)
        is_there compute security-policies describe fintech || google compute security-policies create fintech
        # As nginx has it in Compose: thirty a second. Webhooks are signed, and may come in floods.
        is_there compute security-policies rules describe 900 --security-policy=fintech ||
            google compute security-policies rules create 900 --security-policy=fintech \
                "--expression=request.path.startsWith('/webhooks/')" --action=allow
        # Scanners and what attacks protocols. Not the rules for SQL and scripts: they read what people
        # write into notes and files, and refuse some of it.
        is_there compute security-policies rules describe 1000 --security-policy=fintech ||
            google compute security-policies rules create 1000 --security-policy=fintech \
                "--expression=evaluatePreconfiguredWaf('scannerdetection-v33-stable', {'sensitivity': 1})" \
                --action=deny-403
        is_there compute security-policies rules describe 1100 --security-policy=fintech ||
            google compute security-policies rules create 1100 --security-policy=fintech \
                "--src-ip-ranges=*" --action=throttle --rate-limit-threshold-count=1800 \
                --rate-limit-threshold-interval-sec=60 --conform-action=allow --exceed-action=deny-429 \
                --enforce-on-key=IP
        google compute backend-services update fintech --global --security-policy=fintech
        ;;
    rollback)
        serve "${2:?say which tag}"
        ;;
    run)
        shift
        # A comma at the start and end says what stands between the words: gcloud's own escape.
        words=$(printf '%s\037' "$@")
        google run jobs execute fintech-once "--region=$region" --wait "--args=^$(printf '\037')^${words%?}"
        ;;
    backup)
        back_up
        ;;
    check)
        google run jobs execute fintech-restore-check "--region=$region" --wait
        ;;
    *)
        sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
