#!/bin/sh
# What uWSGI runs in its own place on HUP, whatever the words that it gives: they may be those of the
# supervisor, of which it is a copy. Its sockets stay open meanwhile.
exec "${WHARF_UWSGI:?}" --ini "${WHARF_UWSGI_INI:?}"
