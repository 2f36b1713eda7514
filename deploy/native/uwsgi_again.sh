#!/bin/sh
# What uWSGI runs in its own place on HUP, whatever the words that it gives: left alone it runs the
# Python behind its own link, which has none of our packages. Its sockets stay open meanwhile.
exec "${WHARF_UWSGI:?}" --ini "${WHARF_UWSGI_INI:?}"
