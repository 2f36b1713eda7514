#!/bin/sh
# Becomes one of the programs of supervisord.conf:
#
#     program.sh LOG SIGNAL COMMAND...
#
# Output goes into the log file itself, not through supervisord. When supervisord is killed, the
# kernel sends the signal (PDEATHSIG, prctl(2)): one on which the program ends its own children, too.
log=$1 signal=$2
shift 2
if [ "$log" = nginx ]; then
    # A nginx that was killed leaves its own unix sockets, and the next one could not listen.
    rm -f "${WHARF_SOCKETS:?}/blobs.sock" "$WHARF_SOCKETS/console-door.sock" \
        "$WHARF_SOCKETS/images-blobs.sock"
    # And it has written no lines of the bodies that it was receiving: they have ended.
    printf 'gateway began\t%s\n' "$(date +%s.%N)" >>"$WHARF_SOCKETS/requests.tsv"
fi
exec </dev/null >>"${WHARF_LOG:?}/$log.log" 2>&1
exec setpriv --pdeathsig "$signal" -- "$@"
