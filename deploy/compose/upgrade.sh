#!/bin/sh
# upgrade.sh: replaces the containers of the running stack by containers of the new images, one after the
# other; `make upgrade` calls it. docs/compose.md says what to do first.
#
#   WHARF_UPGRADE_SECONDS  how long a new container may take to become healthy; default 300
#
# It does not run `up` for all services: Compose 2 would stop and create every changed container before
# it waits for any to be healthy. It does not replace databases and the balancer.
set -eu
cd "$(dirname "$0")/../.."
limit_seconds=${WHARF_UPGRADE_SECONDS:-300}

say() {
    echo "upgrade: $1"
}

stop() {
    echo "upgrade: $1" >&2
    exit 1
}

# The script works on all containers that run, so the commands name every profile, also those that .env
# does not name.
compose() {
    if [ "$plugin" = yes ]; then
        docker compose --profile single --profile s3 --profile scale --profile observe "$@"
    else
        docker-compose --profile single --profile s3 --profile scale --profile observe "$@"
    fi
}

container() {
    compose ps --quiet "$1" 2>/dev/null | head -n 1
}

# Called only once: Compose 1 needs more than a second for each command.
services_here() {
    # shellcheck disable=SC2046 # a list of ids
    set -- $(compose ps --all --quiet)
    [ $# -eq 0 ] || docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$@"
}

is_there() {
    case "
$here
" in
    *"
$1
"*) return 0 ;;
    *) return 1 ;;
    esac
}

# once SERVICE: runs a one-off container with the new image, while the old containers serve.
once() {
    say "$1"
    compose run -T --rm --no-deps "$1" </dev/null ||
        stop "$1 failed; nothing was replaced. Its output is above"
}

# await_health SERVICE: waits until its container is healthy; returns 1 if it is not.
await_health() {
    deadline=$(($(date +%s) + limit_seconds))
    id=$(container "$1")
    while :; do
        found=$(docker inspect --format \
            '{{if .State.Health}}{{.State.Health.Status}}{{else}}without a health check{{end}} {{.RestartCount}}' \
            "$id" 2>/dev/null) || found='gone 0'
        case $found in
        'healthy '*) return ;;
        'unhealthy '*) return 1 ;;
        esac
        # The container ends and restarts again and again.
        [ "${found##* }" -lt 3 ] || return 1
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 1
    done
}

# belongs SERVICE: tells whether the service is a part of the running stack.
belongs() {
    is_there "$1" && return 0
    # These are new since 0.1.0: the upgrade starts them.
    case $1 in
    console) return 0 ;;
    live* | images*) is_there "upload${1#"${1%%-*}"}" ;;
    jobs*) is_there "worker${1#"${1%%-*}"}" ;;
    *) return 1 ;;
    esac
}

# replace SERVICE: replaces the container, if the service is a part of the running stack.
replace() {
    belongs "$1" || return 0
    say "$1"
    compose up --detach --no-deps "$1" </dev/null ||
        stop "$1 could not be replaced; the services after it are unchanged"
    await_health "$1" ||
        stop "the new $1 is not healthy (docker logs $(container "$1")); the services after it are unchanged"
}

if docker compose version >/dev/null 2>&1; then plugin=yes; else plugin=no; fi
docker info >/dev/null 2>&1 || stop 'no Docker engine responds (docker info)'
compose ps >/dev/null || stop 'Compose refuses docker-compose.yml and .env; its error is above'
here=$(services_here)
is_there auth || stop 'no container of Wharf is here to be upgraded; start it with: docker compose up --detach'

once auth-init
if is_there upload; then once upload-migrate; fi
if is_there upload-s3; then once upload-s3-migrate; fi
if is_there upload-1; then
    # A new release may need another secret.
    once secrets
    once migrate
fi
# live comes before auth, as every upload does: both must understand the tokens that a new auth issues
# (ADR 34). live and images come before their gateway, which sends them requests. The console comes last,
# because it calls all of them.
for service in \
    upload live images gateway \
    upload-s3 live-s3 images-s3 gateway-s3 \
    upload-1 live-1 images-1 gateway-1 \
    upload-2 live-2 images-2 gateway-2 \
    worker worker-s3 worker-1 jobs-1 auth console; do
    replace "$service"
done
for service in prometheus grafana; do
    if is_there "$service"; then
        say "$service"
        compose up --detach --no-deps "$service" </dev/null || stop "$service could not be replaced"
    fi
done
say 'done'
