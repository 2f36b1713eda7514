#!/bin/sh
# Starts the balancer of two replicas (docs/compose.md): writes the configuration of the proxies in front
# of it from WHARF_TRUSTED_PROXIES and WHARF_PROXY_HEADER, and then runs nginx with the arguments of this
# script.
set -euf
folder=${BALANCER_RUN:-/tmp/balancer}
configuration=${BALANCER_CONF:-/etc/nginx/balancer.conf}
mkdir -p "$folder"
proxies=$folder/proxies.conf
listen=$folder/listen.conf
: >"$proxies"

protocol=
[ "${WHARF_PROXY_HEADER:-}" != PROXY ] || protocol=" proxy_protocol"
echo "listen 8080 backlog=4096 reuseport$protocol;" >"$listen"

for proxy in $(echo "${WHARF_TRUSTED_PROXIES:-}" | tr ',' ' '); do
    case $proxy in
    *[!0-9A-Fa-f.:/]*)
        echo "wharf: WHARF_TRUSTED_PROXIES: '$proxy' is neither an IP address nor a network" >&2
        exit 1
        ;;
    esac
    echo "$proxy 1;" >>"$proxies"
    [ -z "$protocol" ] || echo "set_real_ip_from $proxy;" >>"$listen"
done
exec nginx -e stderr -c "$configuration" "$@"
