#!/bin/sh
# root.sh: makes the root file system of a Debian release. Run it as root, on Debian.
#
#   root.sh make SUITE DIRECTORY          makes a minimal system with the latest updates and a working apt
#   root.sh install DIRECTORY PACKAGE...  installs packages in it
#   root.sh close DIRECTORY               removes apt's sources, lists and downloads
#
# The release may differ from this machine's: bookworm is Debian 12, trixie is Debian 13. Packages come
# from the archive that this machine's apt uses, so this script contains no address. After `close`, the
# root contains none either.
#
#   WHARF_IMAGE_CACHE  directory that keeps the system that debootstrap made, for the next root
set -eu
quiet_log=
trap 'rm -f "$quiet_log"' EXIT
# With a trap, the shell waits for the running command: so no command writes to the root after the shell
# has ended.
trap 'exit 130' HUP INT TERM

usage() {
    echo 'usage: root.sh make SUITE DIRECTORY | install DIRECTORY PACKAGE... | close DIRECTORY' >&2
    exit 2
}

# Runs a command, and shows its output only when the command fails.
quietly() {
    quiet_log=$(mktemp)
    "$@" >"$quiet_log" 2>&1 </dev/null || {
        tail -n 30 "$quiet_log" >&2
        exit 1
    }
    rm -f "$quiet_log"
}

# Prints the release, site and component of each Debian archive that this machine's apt uses. If apt uses
# a list of mirrors, the site is the first mirror.
archives() {
    # shellcheck disable=SC2016 # apt expands these words
    apt-get indextargets --format '$(CODENAME) $(SITE) $(COMPONENT) $(ORIGIN)' 'Identifier: Packages' |
        awk '$4 == "Debian" {
            site = $2
            if (sub(/^mirror\+file:/, "", site)) {
                list = site
                while ((getline site <list) > 0 && site ~ /^[ \t]*(#|$)/);
                close(list)
                sub(/[ \t].*/, "", site)
            }
            print $1, site, $3
        }'
}

# Prints this machine's release, as its archives name it.
machine_suite() {
    # shellcheck source=/dev/null
    (. /etc/os-release && echo "$VERSION_CODENAME")
}

# Prints the site that has the packages of this machine's release; it has those of all other releases,
# too.
site() {
    archives | awk -v suite="$(machine_suite)" '$1 == suite { print $2; exit }'
}

# The root needs no manuals. It need not be synced, because an unfinished root is discarded.
be_small_and_quick() {
    mkdir -p "$1/etc/dpkg/dpkg.cfg.d"
    cat >"$1/etc/dpkg/dpkg.cfg.d/wharf" <<'END'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
END
}

# bootstrap SUITE FILE: packs a minimal system into a tar file.
bootstrap() (
    new=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf --one-file-system "$new" "$2.new" "$quiet_log"' EXIT
    chmod 755 "$new"
    be_small_and_quick "$new"
    quietly debootstrap --variant=minbase --merged-usr "$1" "$new" "$(site)"
    # debootstrap unpacks the first packages itself, with all their files.
    find "$new/usr/share/doc" -type f ! -name copyright -delete
    rm -rf "$new/usr/share/info" "$new/usr/share/locale" "$new/usr/share/man" \
        "$new/var/cache/apt/archives"/*.deb "$new/var/lib/apt/lists"/* "$new/var/log"/*.log \
        "$new/etc/apt/sources.list" "$new/etc/hostname" "$new/etc/resolv.conf"
    tar --create --file "$2.new" --directory "$new" --exclude='./dev/*' --numeric-owner .
    mv "$2.new" "$2"
)

# lend_apt SUITE: lets the root's apt use this machine's archives, for that release.
lend_apt() {
    archives | awk -v here="$(machine_suite)" -v wanted="$1" '
        index($1, here) == 1 {
            print "Types: deb\nURIs: " $2 "\nSuites: " wanted substr($1, length(here) + 1)
            print "Components: " $3 "\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        }' >"$root/etc/apt/sources.list.d/machine.sources"
    for name in auth.conf auth.conf.d; do
        [ ! -e "/etc/apt/$name" ] || cp -a "/etc/apt/$name" "$root/etc/apt/"
    done
    # Copy settings such as proxies, but none that name programs and files of this machine.
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|ForceIP)' |
        grep -vE 'Proxy-Auto-Detect|ProxyAutoDetect|::Ca(Info|Path)' \
            >"$root/etc/apt/apt.conf.d/50machine" || true
    # A missing package list is an error (make_root), but a single lost response is not: retry.
    echo 'Acquire::Retries "3";' >>"$root/etc/apt/apt.conf.d/50machine"
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
        cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/apt/machine-certificates.crt"
        echo 'Acquire::https::CaInfo "/etc/apt/machine-certificates.crt";' \
            >>"$root/etc/apt/apt.conf.d/50machine"
    fi
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    for node in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do
        # shellcheck disable=SC2086 # a name and a number
        set -- $node
        [ -e "$root/dev/$1" ] || mknod -m 666 "$root/dev/$1" c 1 "$2"
    done
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

in_root() {
    quietly chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
}

make_root() {
    cache=${WHARF_IMAGE_CACHE:?names no directory for the systems that debootstrap makes}
    minimal=$cache/debian-$1.tar
    mkdir -p "$cache" "$root"
    [ -n "$(site)" ] || quietly apt-get update
    if [ -z "$(site)" ]; then
        echo "root.sh: this machine's apt has no archive of Debian's to take $1 from" >&2
        exit 1
    fi
    (
        flock 9
        [ -s "$minimal" ] || bootstrap "$1" "$minimal"
    ) 9>"$cache/lock"
    tar --extract --file "$minimal" --directory "$root" --numeric-owner
    lend_apt "$1"
    in_root apt-get update -o APT::Update::Error-Mode=any
    in_root apt-get dist-upgrade --yes --no-install-recommends
}

close_root() {
    rm -rf "$root/etc/apt/sources.list.d/machine.sources" "$root/etc/apt/apt.conf.d/50machine" \
        "$root/etc/apt/machine-certificates.crt" "$root/etc/apt/auth.conf" \
        "$root/etc/apt/auth.conf.d" "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" \
        "$root/etc/hosts" "$root/var/lib/apt/lists"/* "$root/var/cache/apt"/* \
        "$root/var/cache/debconf"/*-old "$root/var/log"/* "$root/tmp"/*
}

case "${1-} $#" in
'make 3')
    root=$3
    make_root "$2"
    ;;
'install '*)
    [ $# -ge 3 ] || usage
    root=$2
    shift 2
    in_root apt-get install --yes --no-install-recommends "$@"
    ;;
'close 2')
    root=$2
    close_root
    ;;
*) usage ;;
esac
