"""The two stores of SwampDragon, without SwampDragon: it runs on old Pythons alone (see upstream/swampdragon)."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_session_client import swampdragon
from redis_session_client.swampdragon import KeySessionStore, ModuleMissing, SessionStore
from tests.servers import wait_for


@pytest.fixture
def settings(monkeypatch):
    """Django's settings, as far as the stores read them."""
    settings = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "django.conf", SimpleNamespace(settings=settings))
    return settings


@pytest.fixture
def client(server, settings, monkeypatch, client_options):
    client = server.client(**client_options)
    monkeypatch.setattr(swampdragon, "redis_client", lambda: client)
    return client


def connection(name="c1"):
    return SimpleNamespace(session=SimpleNamespace(session_id=name))


def idle(server, key):
    reply = server.command("SESSION.INFO", key)
    return dict(zip(reply[::2], reply[1::2], strict=True))["idle"]


def test_a_value_is_a_session_under_swampdragons_own_key(client, server):
    store = SessionStore(connection())
    store.set("name", "Ann")
    assert server.keys() == ["s:c1|k:name"]
    assert server.command("TYPE", "s:c1|k:name") == "sess-hash"
    assert store.get("name") == "Ann"


def test_values_come_back_as_swampdragons_own_store_gives_them(client):
    store = SessionStore(connection())
    for given, expected in [("é", "é"), (b"bytes", "bytes"), (7, "7"), (1.5, "1.5"), ("", None)]:
        store.set("key", given)
        assert store.get("key") == expected
    store.set("key", {"a": "val", "b": 1})
    assert json.loads(store.get("key") or "") == {"a": "val", "b": 1}
    assert store.get("nothing") is None


def test_connections_have_values_of_their_own(client):
    SessionStore(connection("c1")).set("key", "one")
    assert SessionStore(connection("c2")).get("key") is None


def test_it_writes_and_reads_with_one_command_each(client, server):
    store = SessionStore(connection())
    with server.counting() as calls:
        store.set("key", "val")
    assert calls == {"session.set": 1}
    with server.counting() as calls:
        store.get("key")
    assert calls == {"session.getex": 1}


def test_values_live_for_half_an_hour_or_as_the_setting_says(client, server, settings):
    store = SessionStore(connection())
    store.set("key", "val")
    assert idle(server, "s:c1|k:key") == 30 * 60 * 1000
    settings.SESSION_EXPIRATION_TIME = 0.5
    assert store.get("key") == "val"
    assert idle(server, "s:c1|k:key") == 30 * 1000
    settings.SESSION_EXPIRATION_TIME = 10**9
    store.refresh_key_timeout("key")
    assert idle(server, "s:c1|k:key") == 10 * 365 * 24 * 3600 * 1000
    settings.SESSION_EXPIRATION_TIME = 0
    store.set("key", "val")
    assert server.keys() == []


def test_a_heartbeat_keeps_all_values_alive_with_one_command(client, server, settings):
    settings.SESSION_EXPIRATION_TIME = 1 / 60  # one second
    SessionStore(connection()).set("read", "3")
    store = SessionStore(connection())
    store.set("set", "1")
    store.set("other", "2")
    assert store.get("read") == "3"
    keys = server.keys()
    before = {key: server.command("PEXPIRETIME", key) for key in keys}
    wait_for(lambda: server.command("PTTL", "s:c1|k:set") < 900)
    with server.counting() as calls:
        store.refresh_all_keys()
    assert calls == {"session.touch": 1}
    assert len(before) == 3
    assert all(server.command("PEXPIRETIME", key) > then for key, then in before.items())


def test_a_heartbeat_of_a_connection_without_values_sends_nothing(client, server):
    with server.counting() as calls:
        SessionStore(connection()).refresh_all_keys()
    assert calls.total() == 0


def test_a_heartbeat_does_not_bring_back_what_has_ended(client, server):
    store = SessionStore(connection())
    store.set("key", "val")
    server.command("DEL", "s:c1|k:key")
    store.refresh_all_keys()
    store.refresh_key_timeout("key")
    assert store.get("key") is None
    assert server.keys() == []


def test_a_site_may_make_keys_of_its_own(client, server):
    class OfUser(SessionStore):
        def get_complete_key(self, key):
            return f"uid:{self.connection.user}|k:{key}"

    OfUser(SimpleNamespace(user=7)).set("key", "val")
    assert server.keys() == ["uid:7|k:key"]
    assert OfUser(SimpleNamespace(user=7)).get("key") == "val"


def test_key_store(client, server):
    store = KeySessionStore()
    store.save("my-key", "é")
    assert store.get("my-key") == "é".encode()
    key = store.save_get_key("other")
    assert (len(key), store.get(key)) == (32, b"other")
    assert store.get("nothing") is None
    assert server.keys() == sorted([key, "my-key"])


def test_key_store_keeps_values_alive(client, server, settings):
    store = KeySessionStore()
    store.save("my-key", "val")
    settings.SESSION_EXPIRATION_TIME = 60
    store.refresh_key_timeout("my-key")
    assert idle(server, "my-key") == 3600 * 1000
    store.refresh_key_timeout("nothing")
    assert server.keys() == ["my-key"]


def test_a_server_without_the_module_says_what_to_do(bare_server, settings, monkeypatch):
    client = bare_server.client()
    monkeypatch.setattr(swampdragon, "redis_client", lambda: client)
    store = SessionStore(connection())
    with pytest.raises(ModuleMissing, match="loadmodule"):
        store.set("key", "val")
    with pytest.raises(ModuleMissing, match="loadmodule"):
        store.get("key")


def test_something_else_under_the_key_is_an_error(client, server):
    server.command("SET", "s:c1|k:key", "a string")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        SessionStore(connection()).get("key")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        SessionStore(connection()).set("key", "val")


def test_a_value_that_is_too_large_is_refused(client, server):
    server.command("CONFIG", "SET", "session.max-bytes", 100)
    with pytest.raises(redis.ResponseError, match="max-bytes"):
        SessionStore(connection()).set("key", "x" * 200)


def test_a_server_that_is_down_is_an_error(settings, server, monkeypatch):
    client = redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0), socket_timeout=1)
    monkeypatch.setattr(swampdragon, "redis_client", lambda: client)
    store = SessionStore(connection())
    store.set("key", "val")
    server.stop()
    with pytest.raises(redis.ConnectionError):
        store.get("key")
    server.start()
    assert store.get("key") is None


def test_without_swampdragon_the_client_is_redis_pys_default(settings):
    assert swampdragon.redis_client().connection_pool.connection_kwargs.get("host", "localhost") == "localhost"
