"""A pytest plugin: SwampDragon keeps its sessions on the module. Runs on Python 3.6.

The store is reached as `session_store`, a copy of our one file: so do sites whose Python is too old for the package.
"""

import os
from urllib.parse import urlparse

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config):  # type: ignore[no-untyped-def]
    """Adds to the settings that SwampDragon's own conftest.py makes."""
    from django.conf import settings

    settings.SWAMP_DRAGON_REDIS_PORT = urlparse(os.environ["SESSION_URL"]).port
    settings.SWAMP_DRAGON_SESSION_STORE = "session_store.SessionStore"


def pytest_collection_finish(session):  # type: ignore[no-untyped-def]
    """SwampDragon falls back to its own store in silence when it cannot import another: not here."""
    from swampdragon.connections import mock_connection, sockjs_connection

    for connection in (mock_connection, sockjs_connection):
        assert connection.session_store.__module__ == "session_store", connection.session_store
