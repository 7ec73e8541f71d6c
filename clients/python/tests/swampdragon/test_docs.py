"""The examples of docs/swampdragon.md, and the start that the README prints, without SwampDragon itself."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from redis_session_client import swampdragon
from tests.pages import examples, section
from tests.servers import TOP

PAGE = TOP / "docs/swampdragon.md"
README = TOP / "clients/python/README.md"


class BaseRouter:
    """As much of SwampDragon's as a router needs."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.sent: list[Any] = []

    def send(self, data: Any) -> None:
        self.sent.append(data)


@pytest.fixture
def connection(server, monkeypatch):
    """A connection of a site that has copied the file as session_store.py."""
    monkeypatch.setitem(sys.modules, "session_store", swampdragon)
    monkeypatch.setitem(sys.modules, "django.conf", SimpleNamespace(settings=SimpleNamespace()))
    monkeypatch.setitem(sys.modules, "swampdragon.route_handler", SimpleNamespace(BaseRouter=BaseRouter))
    client = server.client()
    monkeypatch.setattr(swampdragon, "redis_client", lambda: client)
    return SimpleNamespace(session=SimpleNamespace(session_id="c1"), user=SimpleNamespace(pk=7))


def run(text):
    names: dict[str, Any] = {}
    for example in examples(text):
        exec(example, names)
    return names


def named(dotted):
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_settings(connection):
    for text in (section(PAGE, "Set up"), section(README, "SwampDragon")):
        assert named(run(text)["SWAMP_DRAGON_SESSION_STORE"]) is swampdragon.SessionStore
    assert named(run(section(PAGE, "SwampDragon 0.3"))["DRAGON_SESSION_STORE"]) is swampdragon.KeySessionStore


def test_a_router(connection, server):
    names = run(section(PAGE, "Use"))
    connection.session_store = swampdragon.SessionStore(connection)
    router = names["BasketRouter"](connection)
    router.put("book")
    router.show()
    assert router.sent == ['{"item": "book"}']
    assert server.keys() == ["s:c1|k:basket"]


def test_keys_of_a_site_s_own(connection, server):
    store = run(section(PAGE, "Use"))["UserStore"](connection)
    store.set("language", "en")
    assert store.get("language") == "en"
    assert server.keys() == ["uid:7|k:language"]


def test_the_file_that_is_copied_imports_nothing_of_ours():
    text = (TOP / "clients/python/src/redis_session_client/swampdragon.py").read_text()
    imports = {line.split()[1] for line in map(str.strip, text.splitlines()) if line.startswith(("import ", "from "))}
    assert imports == {"json", "uuid", "typing", "redis", "django.conf", "swampdragon.pubsub_providers.redis_publisher"}
