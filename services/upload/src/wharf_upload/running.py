"""What a process of the service does at its start, before it serves."""

from __future__ import annotations

import gc
import sys
import threading

from servicekit import jwks, logs, settings
from servicekit.feed_follower import FeedFollower
from wharf_upload import signals
from wharf_upload.app import NAME, create_app
from wharf_upload.following import Follower
from wharf_upload.receiver.serving import Receiver
from wharf_upload.settings import Settings


def read_settings() -> Settings:
    """The settings, with what they load; a wrong one ends the process with one line."""
    try:
        own = settings.read(Settings)
        signals.load(own.receivers)
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    return own


_settings = read_settings()
logs.configure(NAME, _settings.log_level)
application = create_app(_settings)
# Workers are forked from here: what exists by now is shared memory as long as nobody writes to it.
gc.collect()
gc.freeze()


def mule() -> None:
    """uWSGI's mule beside the workers: follows spool and revocations, fetches the issuer's keys."""
    stop = threading.Event()
    fetcher = jwks.Fetcher(_settings.jwks_url, _settings.key_file)
    feed = FeedFollower(_settings.feed_url, _settings.revocation_file)
    for work in (fetcher.run, feed.run):
        threading.Thread(target=work, args=(stop,), daemon=True).start()
    folders = (_settings.spool_folder, _settings.resumable_folder)
    Follower(folders, _settings.follower_socket, durable=_settings.durable).run()


def receiver() -> None:
    """uWSGI's other mule: takes the bodies of resumable uploads while they come in."""
    Receiver(application, _settings.receiver_socket).run()
