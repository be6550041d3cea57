#!/bin/sh
# Tell nginx where this network's name server is; Docker, Podman and Kubernetes differ there.
set -eu
server=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' /etc/resolv.conf)
echo "resolver ${server:-127.0.0.11} valid=2s ipv6=off;" > /tmp/resolver.conf
exec nginx -g 'daemon off;'
