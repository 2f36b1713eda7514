#!/bin/sh
# secrets.sh OVERLAY [rotate]: makes the missing files of OVERLAY/secrets, and
# OVERLAY/secrets/kustomization.yaml, which lists all of them for kustomize. It changes no existing file.
# Do not put any of these files into a repository (.gitignore excludes them).
#
#   credentials.json   the first administrator's client id and secret
#   <unix time>-*.pem  signing keys of auth; the number is the time at which a key was made, and orders the keys
#   secrets.keys       keys that seal secrets in upload's database (docs/operating-webhooks.md)
#   *.env              from OVERLAY/*.env.example: URLs of databases; edit them
#   blob-keys          from OVERLAY/blob-keys.example: two lines, the object store's access key and its
#                      secret key; edit it
#   blob-ca.pem        only if you put it there: the certificate of the object store's authority
#
# `rotate` adds a signing key. auth publishes it immediately, and signs with it when every replica knows
# it.
set -eu
umask 077

stop() {
    echo "secrets.sh: $1" >&2
    exit 1
}

usage='usage: deploy/k8s/secrets.sh OVERLAY [rotate], e.g. deploy/k8s/overlays/production'
[ $# -ge 1 ] && [ $# -le 2 ] || stop "$usage"
[ -f "$1/kustomization.yaml" ] || stop "$1 is no overlay (it has no kustomization.yaml); $usage"
[ "${2:-rotate}" = rotate ] || stop "unknown word '$2'; $usage"
command -v openssl >/dev/null || stop 'openssl was not found; install it, e.g. apt-get install openssl'

overlay=$1
mkdir -p "$overlay/secrets"
cd "$overlay/secrets"

make_key() {
    # Rename the finished file, so that an interrupted run leaves no partial key.
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out .new 2>/dev/null ||
        stop 'openssl could not make a key'
    mv .new "$(date +%s)-wharf.pem"
}

set -- "${2:-}" [0-9]*.pem
if [ "$1" = rotate ] || [ ! -f "$2" ]; then
    make_key
fi

if [ ! -f credentials.json ]; then
    printf '{"admin": {"client_id": "wharf-admin", "client_secret": "%s"}}\n' \
        "$(openssl rand -base64 48 | tr '+/' '-_' | tr -d '=\n')" >.new
    mv .new credentials.json
fi

if [ ! -f secrets.keys ]; then
    printf '%s %s\n' "$(openssl rand -hex 4)" "$(openssl rand -base64 32)" >.new
    mv .new secrets.keys
fi

edit=
for example in ../*.env.example ../blob-keys.example; do
    [ -f "$example" ] || continue
    name=$(basename "$example" .example)
    if [ ! -f "$name" ]; then
        cp "$example" "$name"
        chmod 600 "$name"
    fi
    if grep -q CHANGE-ME "$name"; then
        edit="$edit $overlay/secrets/$name"
    fi
done

{
    echo '# Made by deploy/k8s/secrets.sh from the files in this folder.'
    echo 'apiVersion: kustomize.config.k8s.io/v1beta1'
    echo 'kind: Kustomization'
    echo 'secretGenerator:'
    echo '  - name: wharf-credentials'
    echo '    files:'
    echo '      - credentials.json'
    echo '  - name: wharf-signing-keys'
    echo '    files:'
    for key in [0-9]*.pem; do
        echo "      - $key"
    done
    echo '  - name: wharf-sealing-keys'
    echo '    files:'
    echo '      - secrets.keys'
    for env in *.env; do
        [ -f "$env" ] || continue
        echo "  - name: wharf-$(basename "$env" .env)"
        echo '    envs:'
        echo "      - $env"
    done
    if [ -f blob-keys ]; then
        echo '  - name: wharf-blob-keys'
        echo '    files:'
        echo '      - blob-keys'
    fi
    if [ -f blob-ca.pem ]; then
        echo 'configMapGenerator:'
        echo '  - name: wharf-blob-ca'
        echo '    files:'
        echo '      - ca.pem=blob-ca.pem'
    fi
} >.new
mv .new kustomization.yaml

if [ -n "$edit" ]; then
    echo "edit before you apply:$edit"
fi
