#!/bin/sh
# debian_base.sh python|nginx FILE: makes a base image from Debian's packages, as a tar file of a
# root file system for `docker import`. For machines that cannot pull images. Runs as root.
#
# debootstrap makes the least that Debian can be; apt then adds what this machine's own apt would,
# from the same archives and with their security updates. No address is written here, and none stays
# in the image.
#
#   WHARF_IMAGE_CACHE  directory in which the least system is kept for the next image
set -eu
kind=${1-}
output=${2-}
cache=${WHARF_IMAGE_CACHE:?names no directory for what takes long to make}

case $kind in
# Scripts of a venv, and pip in the build stage only.
python) packages='ca-certificates python3 python3-venv' ;;
# Python renders the configuration (deploy/nginx/Dockerfile); a balancer needs `stream`.
nginx) packages='nginx-light libnginx-mod-stream python3' ;;
*) packages= ;;
esac
if [ -z "$packages" ] || [ -z "$output" ]; then
    echo 'usage: debian_base.sh python|nginx FILE' >&2
    exit 2
fi

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
least=$cache/debian-$suite.tar
mkdir -p "$cache"
work=$(mktemp -d "$cache/work.XXXXXX")
root=$work/root
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# Runs a command, and shows what it said only when it fails.
quietly() {
    "$@" >"$work/log" 2>&1 </dev/null || {
        tail -n 30 "$work/log" >&2
        exit 1
    }
}

# The archive from which this machine's apt takes the suite.
mirror() {
    # shellcheck disable=SC2016 # these are words of apt
    apt-get indextargets --format '$(RELEASE) $(SITE)' 'Identifier: Packages' |
        awk -v suite="$suite" '$1 == suite { print $2; exit }'
}

# Nobody reads manuals in a container, and a half-made image is thrown away: no need to sync.
be_small_and_quick() {
    mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
    cat >"$root/etc/dpkg/dpkg.cfg.d/wharf" <<'END'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
END
}

pack() {
    tar --create --file "$1.new" --directory "$root" --exclude='./dev/*' --numeric-owner .
    mv "$1.new" "$1"
}

make_least() {
    mkdir "$root"
    be_small_and_quick
    quietly debootstrap --variant=minbase --merged-usr "$suite" "$root" "$(mirror)"
    # debootstrap unpacks the first packages by itself, with everything.
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    rm -rf "$root/usr/share/info" "$root/usr/share/locale" "$root/usr/share/man" \
        "$root/var/cache/apt/archives"/*.deb "$root/var/lib/apt/lists"/* "$root/var/log"/*.log \
        "$root/etc/apt/sources.list" "$root/etc/hostname" "$root/etc/resolv.conf"
    pack "$least"
    rm -rf "$root"
}

# What this machine's apt knows, for the time of the installation.
lend_apt() {
    mv "$root/etc/apt" "$work/apt"
    mkdir -p "$root/etc/apt/apt.conf.d" "$root/var/lib/apt"
    for name in sources.list sources.list.d auth.conf auth.conf.d trusted.gpg.d keyrings preferences.d; do
        [ ! -e "/etc/apt/$name" ] || cp -a "/etc/apt/$name" "$root/etc/apt/"
    done
    cp -a "$root/usr/share/keyrings" "$work/keyrings"
    cp -a /usr/share/keyrings/. "$root/usr/share/keyrings/"
    # Proxies and the like; not its hooks, which name programs of this machine.
    apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/50machine" || true
    cp -a /var/lib/apt/lists "$root/var/lib/apt/"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    for node in 'null 3' 'zero 5' 'random 8' 'urandom 9'; do
        # shellcheck disable=SC2086 # a name and a number
        set -- $node
        [ -e "$root/dev/$1" ] || mknod -m 666 "$root/dev/$1" c 1 "$2"
    done
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

take_apt_back() {
    rm -rf "$root/etc/apt" "$root/usr/share/keyrings" "$root/usr/sbin/policy-rc.d" \
        "$root/etc/resolv.conf" "$root/etc/hosts" "$root/var/lib/apt/lists"/* \
        "$root/var/cache/apt"/* "$root/var/cache/debconf"/*-old "$root/var/log"/* "$root/tmp"/*
    mv "$work/apt" "$root/etc/apt"
    mv "$work/keyrings" "$root/usr/share/keyrings"
}

in_root() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@" >"$work/log" 2>&1 </dev/null
}

# This machine's package lists may be older than the archive.
add_packages() {
    # shellcheck disable=SC2086 # a list of names
    in_root apt-get dist-upgrade --yes --no-install-recommends &&
        in_root apt-get install --yes --no-install-recommends $packages
}

[ -n "$(mirror)" ] || quietly apt-get update
[ -s "$least" ] || make_least
mkdir "$root"
tar --extract --file "$least" --directory "$root" --numeric-owner
lend_apt
if ! add_packages; then
    if ! in_root apt-get update || ! add_packages; then
        tail -n 30 "$work/log" >&2
        exit 1
    fi
fi
take_apt_back
pack "$output"
