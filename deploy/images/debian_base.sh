#!/bin/sh
# debian_base.sh python|nginx|store: makes a base image from Debian's packages, unless it is there, and
# prints its path: a tar file of a root file system for `docker import`. For machines that cannot pull
# images. Runs as root. `debian_base.sh tag` prints the tag under which such an image is kept.
#
# The image is of Debian 13, like the official python:3.13-slim, whichever Debian this machine has.
# No address stays in it (deploy/debian/root.sh).
#
#   WHARF_IMAGE_CACHE  directory that keeps it, and what debootstrap made for the next one
set -eu
cd "$(dirname "$0")/../.."
suite=trixie
tag=$suite-$(cat deploy/images/debian_base.sh deploy/debian/root.sh | sha256sum | cut -c 1-8)
kind=${1-}

case $kind in
# Scripts of a venv, and pip in the build stage only.
python) packages='ca-certificates python3 python3-venv' ;;
# Python renders the configuration (deploy/nginx/Dockerfile); a balancer needs `stream`; an object store
# is verified by certificates.
nginx) packages='ca-certificates nginx-light libnginx-mod-stream python3' ;;
# The object store for trying (deploy/store).
store) packages='ceph-common ceph-mon ceph-osd python3 radosgw' ;;
tag)
    echo "$tag"
    exit
    ;;
*)
    echo 'usage: debian_base.sh python|nginx|store|tag' >&2
    exit 2
    ;;
esac

mkdir -p "${WHARF_IMAGE_CACHE:?names no directory for what takes long to make}"
output=$WHARF_IMAGE_CACHE/wharf-base-$kind-$tag.tar
if [ ! -s "$output" ]; then
    echo "images: making a base image for $kind of Debian's packages" >&2
    root=$(mktemp -d "$WHARF_IMAGE_CACHE/work.XXXXXX")
    trap 'rm -rf --one-file-system "$root"' EXIT
    trap 'exit 130' HUP INT TERM
    chmod 755 "$root"
    sh deploy/debian/root.sh make "$suite" "$root"
    # shellcheck disable=SC2086 # a list of names
    sh deploy/debian/root.sh install "$root" $packages
    sh deploy/debian/root.sh close "$root"
    tar --create --file "$root.tar" --directory "$root" --exclude='./dev/*' --numeric-owner .
    mv "$root.tar" "$output"
fi
echo "$output"
