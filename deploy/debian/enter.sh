#!/bin/sh
# enter.sh [--own-network] DIRECTORY COMMAND...: runs a command in a root file system, as on a separate
# machine.
#
# The command sees that root as /, and has its own process numbers, mounts, shared memory and
# pseudo-terminals. When it ends, all processes that it started end. It gets this environment. Run the
# script as root.
#
#   --own-network  the command has only its own loopback network; the root needs `ip`
set -eu
network=
if [ "${1-}" = --own-network ]; then
    network=--net
    shift
fi
if [ $# -lt 2 ]; then
    echo 'usage: enter.sh [--own-network] DIRECTORY COMMAND...' >&2
    exit 2
fi

# Use pivot_root, not chroot: a container engine needs a root that is a mount.
# shellcheck disable=SC2016 # the inner shell expands these
exec unshare --mount --pid --ipc $network --fork --kill-child --propagation private sh -euc '
    network=$1
    root=$2
    shift 2
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts dev/pts
    [ ! -d dev/shm ] || mount -t tmpfs -o mode=1777 tmpfs dev/shm
    mkdir -p mnt/old
    pivot_root . mnt/old
    cd /
    umount -l /mnt/old
    rmdir /mnt/old
    [ -z "$network" ] || ip link set lo up
    # This shell is process 1: it reaps orphans, and only a signal with a trap reaches it.
    "$@" <&3 3<&- &
    command=$!
    trap "kill -TERM $command" HUP INT TERM
    code=0
    wait "$command" || code=$?
    while [ "$code" -gt 128 ] && kill -0 "$command" 2>/dev/null; do
        code=0
        wait "$command" || code=$?
    done
    exit "$code"
' sh "$network" "$@" 3<&0
