#!/bin/sh
# uWSGI runs this script in its own process on HUP, whatever its arguments are. By default it would run
# the Python behind its own link, which has none of our packages. Its sockets stay open.
exec "${WHARF_UWSGI:?}" --ini "${WHARF_UWSGI_INI:?}"
