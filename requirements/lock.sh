#!/bin/sh
# Re-locks every file in this directory: `make lock`, or
# `make lock UPGRADE=--upgrade` to move to the newest allowed versions.
#
# The sources are the packages' own pyproject.toml files and the *.in here.
# dev.txt is resolved first and holds everything; the others are constrained by
# it, so a package has one version in all of them. k8s.txt and swift.txt stand alone: each
# has an environment of its own. --universal resolves for
# every Python from 3.11 on and every platform at once, with markers where they
# differ. No index address is written: where packages come from is the
# installer's business.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}

compile() {
    name=$1
    shift
    "$UV" pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-emit-package wharf-servicekit --no-emit-package wharf-kept-sockets \
        --no-emit-package wharf-gateway --no-emit-package wharf-socket-guard \
        --custom-compile-command "make lock" \
        ${UPGRADE:-} "$@" --output-file "requirements/$name.txt" >/dev/null
    echo "requirements/$name.txt"
}

KIT=libs/servicekit/pyproject.toml
AUTH=services/auth/pyproject.toml
UPLOAD=services/upload/pyproject.toml
CONSOLE=services/console/pyproject.toml
IMAGES=services/images/pyproject.toml
NATIVE=deploy/native/pyproject.toml
BUILD=requirements/build.in

compile dev --extra dramatiq --extra live --extra s3 --extra pdf "$AUTH" "$UPLOAD" "$CONSOLE" "$IMAGES" "$KIT" "$NATIVE" "$BUILD" requirements/dev.in
set -- --constraint requirements/dev.txt
compile all --extra dramatiq --extra live --extra s3 "$AUTH" "$UPLOAD" "$CONSOLE" "$IMAGES" "$KIT" "$NATIVE" "$BUILD" "$@"
compile auth "$AUTH" "$KIT" "$@"
compile upload --extra dramatiq --extra live --extra s3 "$UPLOAD" "$KIT" "$@"
compile console "$CONSOLE" "$KIT" "$@"
compile images "$IMAGES" "$KIT" "$@"
compile images-pdf --extra pdf "$IMAGES" "$KIT" "$@"
compile otel --extra otel "$AUTH" "$UPLOAD" "$CONSOLE" "$KIT" "$@"
compile build "$BUILD" "$@"
compile k8s requirements/k8s.in
compile peers requirements/peers.in "$@"
compile site requirements/site.in "$@"
compile node requirements/node.in
compile swift requirements/swift.in
