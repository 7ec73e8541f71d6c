"""A pytest plugin for SwampDragon's own tests: its settings with our store, and a check that the store was used.

Runs on Python 3.6. SESSION_PORT is the port of a server with the module.
"""

import os

from django.conf import LazySettings

configure = LazySettings.configure


def configure_with_our_store(settings, **options):
    configure(
        settings,
        SWAMP_DRAGON_SESSION_STORE="session_store.SessionStore",
        SWAMP_DRAGON_REDIS_PORT=int(os.environ["SESSION_PORT"]),
        **options,
    )


LazySettings.configure = configure_with_our_store


def pytest_collection_finish(session):
    # SwampDragon falls back to its own store in silence when it cannot import another.
    from swampdragon.connections import mock_connection, sockjs_connection

    for connection in (mock_connection, sockjs_connection):
        assert connection.session_store.__module__ == "session_store", connection.session_store
