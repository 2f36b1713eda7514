#!/bin/sh
# On HUP uWSGI replaces itself by this script. By default it would run the Python behind its own link,
# which has none of our packages. Its sockets stay open.
exec "${WHARF_UWSGI:?}" --ini "${WHARF_UWSGI_INI:?}"
