#!/bin/sh
# The stack of deploy/ecs/fintech.yaml, step by step; docs/guides/deploy-to-aws.md says when.
#
#   sh deploy/ecs/deploy.sh create HOST ZONE    the stack without anything that runs
#   sh deploy/ecs/deploy.sh secrets [FOLDER]    what make-secrets.sh made and you filled in
#   sh deploy/ecs/deploy.sh release TAG         build, push, back up, migrate, serve; also to update
#   sh deploy/ecs/deploy.sh rollback TAG        serve an older image again; migrates nothing
#   sh deploy/ecs/deploy.sh run COMMAND…        the program once, such as: run fintech doctor
#   sh deploy/ecs/deploy.sh settings [FILE]     further settings, NAME=value on each line, and new tasks
#   sh deploy/ecs/deploy.sh backup              a sealed backup into the bucket, now
#   sh deploy/ecs/deploy.sh check               the newest backup restored aside, and compared
#
# Needs the AWS CLI 2 with an account and a region, and for `release` Docker. STACK names the stack;
# SKIP_BACKUP=1 lets `release` migrate without a backup.
set -eu
stack=${STACK:-fintech}
here=$(dirname "$0")

output() { # NAME: of the stack
    aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}

parameter() { # NAME: of the stack
    aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue"
}

update() { # PARAMETER=VALUE…: what is not given stays; returns when services are stable
    aws cloudformation deploy --stack-name "$stack" --template-file "$here/fintech.yaml" \
        --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset --parameter-overrides "$@"
}

put() { # SECRET FILE
    [ -s "$2" ] || return 1
    aws secretsmanager put-secret-value --secret-id "$stack/$1" --secret-string "file://$2" > /dev/null
    echo "$stack/$1 is written"
}

settings() { echo "s3://$(output BackupsBucket)/settings/settings.env"; }

has_value() { # SECRET
    aws secretsmanager get-secret-value --secret-id "$stack/$1" --query ARN > /dev/null 2>&1
}

once() { # TASK CONTAINER COMMAND…: run a task, wait for its end, fail as it does
    definition=$1 container=$2
    shift 2
    words=$(printf '"%s",' "$@")
    network="awsvpcConfiguration={subnets=[$(output Subnets)],securityGroups=[$(output WorkerGroupId)],assignPublicIp=DISABLED}"
    cluster=$(output ClusterName)
    task=$(aws ecs run-task --cluster "$cluster" --task-definition "$definition" --launch-type FARGATE \
        --network-configuration "$network" \
        --overrides "{\"containerOverrides\":[{\"name\":\"$container\",\"command\":[${words%,}]}]}" \
        --query 'tasks[0].taskArn' --output text)
    if [ "${task:-None}" = None ]; then
        echo "$container did not start" >&2
        return 1
    fi
    for _ in $(seq 18); do # the CLI gives up after ten minutes
        aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task" && break
    done
    status=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --output text \
        --query "tasks[0].containers[?name=='$container'].exitCode")
    echo "$container ended with ${status}; its words: aws logs tail $(output LogGroup) --since 15m"
    [ "$status" = 0 ]
}

back_up() { once "$(output BackupTaskArn)" backup fintech backup --keep 14; }

case "${1:-}" in
    create)
        update "HostName=${2:?say which host name}" "HostedZoneId=${3:?say which hosted zone}"
        ;;
    secrets)
        folder=${2:-secrets}
        # Another value would lock away what the first one sealed.
        has_value encryption-keys || put encryption-keys "$folder/encryption_keys"
        plaid=no openai=no mail=no oidc=no
        put plaid-client-id "$folder/plaid_client_id" && put plaid-secret "$folder/plaid_secret" && plaid=yes
        put openai-api-key "$folder/openai_api_key" && openai=yes
        put smtp-url "$folder/smtp_url" && mail=yes
        put oidc-client-secret "$folder/oidc_client_secret" && oidc=yes
        update "Plaid=$plaid" "OpenAI=$openai" "Mail=$mail" "Oidc=$oidc"
        ;;
    settings)
        aws s3 cp --only-show-errors "${2:-settings.env}" "$(settings)"
        for service in fintech-app celery celery-sync celery-beat; do
            aws ecs update-service --cluster "$(output ClusterName)" --service "$service" \
                --force-new-deployment > /dev/null
        done
        ;;
    release)
        tag=${2:?say which tag, such as 0.1.0}
        repository=$(output Repository)
        # Its name is used up by then: a release that stopped further down goes on with its image.
        if aws ecr describe-images --repository-name "${repository#*/}" --image-ids "imageTag=$tag" \
            > /dev/null 2>&1; then
            echo "$tag is in the repository and is not built again"
        else
            aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}"
            docker build --platform linux/amd64 -t "$repository:$tag" .
            docker push "$repository:$tag"
        fi
        # Tasks do not start without the file, which may say nothing.
        aws s3 ls "$(settings)" > /dev/null || echo '# NAME=value' | aws s3 cp --only-show-errors - "$(settings)"
        # The old program, which knows today's schema, backs up before it changes.
        serving=$(parameter Serving)
        if [ "$serving" = yes ] && [ -z "${SKIP_BACKUP:-}" ] && ! back_up; then
            echo "No backup, no migration: the old program goes on. Look why, and release $tag again;" \
                "SKIP_BACKUP=1 before the command goes on without a backup." >&2
            exit 1
        fi
        # The schema goes first: the old program works with the new one, not the other way round.
        update "MigrationTag=$tag"
        once "$(output MigrateTaskArn)" migrate alembic upgrade head
        update "ImageTag=$tag" Serving=yes
        echo "$(output Address) serves $tag"
        ;;
    rollback)
        update "ImageTag=${2:?say which tag}"
        ;;
    run)
        shift
        if [ "${1:-}" = alembic ]; then # the image that migrated last knows the way back
            once "$(output MigrateTaskArn)" migrate "$@"
        else
            once "$(output WebTaskArn)" fintech-app "$@"
        fi
        ;;
    backup)
        back_up
        ;;
    check)
        once "$(output BackupTaskArn)" backup fintech restore --check
        ;;
    *)
        sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
