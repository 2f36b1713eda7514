#!/bin/sh
# enter.sh [--own-network] DIRECTORY COMMAND...: runs a command on a root file system, like on a
# machine of its own.
#
# The command sees that root as /, with process numbers, mounts, shared memory and pseudo-terminals of
# its own. Everything it started ends with it. The environment is passed on. Runs as root.
#
#   --own-network  it has a loopback of its own and reaches nothing else; the root needs `ip`
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

# pivot_root and not chroot: an engine of containers needs a root that is a mount.
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
