#!/bin/sh
# debian_base.sh python|nginx|store: makes a base image from Debian's packages, if it is missing, and
# prints its path: a tar file of a root file system for `docker import`. It is for machines that cannot
# pull images. Run it as root. `debian_base.sh tag` prints the tag under which the engine keeps the
# image.
#
# The image contains Debian 13, like the official python:3.13-slim, on any Debian release. It contains no
# address of an archive (deploy/debian/root.sh).
#
#   WHARF_IMAGE_CACHE  directory that keeps the image, and the system of debootstrap for the next image
set -eu
cd "$(dirname "$0")/../.."
suite=trixie
tag=$suite-$(cat deploy/images/debian_base.sh deploy/debian/root.sh | sha256sum | cut -c 1-8)
kind=${1-}

case $kind in
# For the scripts of a venv, and for pip, which only the build stage uses.
python) packages='ca-certificates python3 python3-venv' ;;
# Python renders the configuration (deploy/nginx/Dockerfile). The balancer needs `stream`. nginx needs
# certificates to verify an object store.
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
