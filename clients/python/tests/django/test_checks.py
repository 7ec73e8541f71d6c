"""System checks: each says what is wrong, and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis.asyncio
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from redis_session_client.django import SessionStore as OurSessionStore
from redis_session_client.django.configuration import read
from redis_session_client.django.connections import connections
from tests.django.conftest import Configure
from tests.django.settings import MIDDLEWARE
from tests.servers import Server


def found(*, deploy: bool = False) -> dict[str, str]:
    """What this app's checks say: ids and messages."""
    messages = run_checks(tags=["redis_session"], include_deployment_checks=deploy)
    return {message.id or "": f"{message.msg} {message.hint or ''}" for message in messages}


def test_nothing_is_wrong(configure: Configure, server: Server) -> None:
    configure({"url": server.url})
    assert found(deploy=True) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, 'Set it to a dict such as {"url": "redis://localhost:6379/0"}.'),
        ("redis://:secret@localhost", "and is a str, not a dict. Set it to a dict"),
        ({}, "by one of url, client, cache_alias, sentinel, cluster, and has none of them"),
        ({"url": "redis://x", "client": "y"}, "and has url and client"),
        ({"host": "localhost", "port": 6379}, "has no key host, port. It knows url,"),
        ({"url": "redis://x", "idle": "30"}, "SESSION_REDIS[\"idle\"] is seconds or a timedelta, not '30'"),
        ({"url": "redis://x", "lifetime": True}, 'SESSION_REDIS["lifetime"] is seconds'),
        ({"url": "redis://x", "rotation_grace": 301}, "rotation_grace is 0 to 300 seconds"),
        ({"url": "redis://x", "idle": 0}, 'SESSION_REDIS["idle"] is more than 0 seconds'),
        ({"url": "redis://x", "lifetime": timedelta(-1)}, 'SESSION_REDIS["lifetime"] is more than 0 seconds'),
        ({"url": "redis://x", "max_sessions": 0}, "max_sessions is 1 or more, a whole number, or None; not 0"),
        ({"url": "redis://x", "max_sessions": "3"}, "max_sessions is 1 or more, a whole number, or None; not '3'"),
        ({"url": "redis://x", "hash_keys": None}, "hash_keys is True or False, not None"),
        ({"url": "redis://x", "sliding": "no"}, "sliding is True or False, not 'no'"),
        ({"url": "redis://x", "prefix": None}, "prefix is a string, not None"),
        ({"url": "redis://x", "user_prefix": 3}, "user_prefix is a string, not 3"),
        ({"url": "redis://x", "user_field": 3}, 'SESSION_REDIS["user_field"] is a key of the session, not 3'),
        ({"url": "redis://x", "on_limit": "newest"}, 'on_limit is "oldest", "lru" or "reject"'),
        ({"url": "redis://x", "conflict": "raise"}, 'conflict is "merge" or "strict"'),
        ({"url": "redis://x", "migrate_from": "redis_session_client.django"}, "used before, not this one"),
        ({"url": "redis://x", "migrate_from": 5}, "the dotted name of a session engine"),
        ({"url": "http://x"}, "no client can be made of it"),
        ({"url": 6379}, 'SESSION_REDIS["url"] is a string, not int'),
        ({"cache_alias": "nosuch"}, "SESSION_REDIS[\"cache_alias\"]: The connection 'nosuch' doesn't exist"),
        ({"client": "no.such.client"}, "no client can be made of it"),
        ({"client": 5}, 'SESSION_REDIS["client"] is a redis.Redis or redis.RedisCluster, or a function that makes one'),
        ({"client": redis.asyncio.Redis()}, "not redis.asyncio.client.Redis"),
        ({"sentinel": {"sentinels": []}}, 'SESSION_REDIS["sentinel"] is a dict such as {"sentinels": ['),
        ({"sentinel": "localhost:26379"}, 'SESSION_REDIS["sentinel"] is a dict such as'),
        (
            {"sentinel": {"sentinels": "localhost:26379", "service_name": "sessions"}},
            'SESSION_REDIS["sentinel"] is a dict such as {"sentinels": [',
        ),
        ({"url": "redis://127.0.0.1:1/0", "idle": float("nan")}, 'SESSION_REDIS["idle"] is more than 0 seconds'),
        ({"cluster": {"node": "localhost:7000"}}, 'SESSION_REDIS["cluster"] is a dict such as {"nodes": ['),
    ],
)
def test_settings_that_are_wrong(configure: Configure, given: Any, said: str) -> None:
    configure(given)
    messages = found()
    assert list(messages) == ["redis_session.E001"]
    assert said in messages["redis_session.E001"]
    with pytest.raises((ImproperlyConfigured, LookupError, ImportError, ValueError)):
        connections()


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("django.contrib.sessions.backends.nosuch", "is no session engine: No module named"),
        ("django.contrib.sessions.backends.base", "is no session engine: "),
        ("django.contrib.sessions.backends.signed_cookies", "cannot be taken over"),
    ],
)
def test_former_engines_that_cannot_be(configure: Configure, server: Server, engine: str, said: str) -> None:
    """Only those would find it out who were logged in before."""
    configure({"url": server.url, "migrate_from": engine})
    assert said in found()["redis_session.E001"]


def test_a_serializer_that_is_not_there(configure: Configure, server: Server) -> None:
    configure({"url": server.url}, SESSION_SERIALIZER="no.such.Serializer")
    assert found() == {"redis_session.E001": "SESSION_SERIALIZER: No module named 'no'. "}


def test_going_back_without_saying_whereto(configure: Configure, server: Server) -> None:
    configure({"url": server.url}, SESSION_ENGINE="redis_session_client.django.rollback")
    assert "names the engine to go back to" in found()["redis_session.E001"]


def test_a_server_without_the_module(configure: Configure, bare_server: Server) -> None:
    configure({"url": bare_server.url})
    assert "start it with --loadmodule libredis_session.so" in found()["redis_session.E002"]


def test_a_server_that_says_no(configure: Configure, server: Server) -> None:
    server.command("ACL", "SETUSER", "blog", "on", ">secret", "~blog:*", "+@all")
    configure({"url": f"redis://blog:secret@127.0.0.1:{server.port}/0"})
    said = found()["redis_session.E003"]
    assert "refuses to keep sessions" in said
    assert 'and the keys "sess:*"' in said
    configure({"url": f"redis://blog:wrong@127.0.0.1:{server.port}/0"})
    assert "refuses to keep sessions" in found()["redis_session.E003"]
    configure({"cluster": {"nodes": [f"127.0.0.1:{server.port}"]}})
    assert "Cluster mode is not enabled" in found()["redis_session.E003"]


@pytest.mark.parametrize(
    "redis",
    [
        {"url": "redis://127.0.0.1:1/0"},
        {"cluster": {"nodes": ["127.0.0.1:1"]}},
        {"sentinel": {"sentinels": ["127.0.0.1:1"], "service_name": "sessions"}},
    ],
)
def test_a_server_that_does_not_answer(configure: Configure, redis: Any) -> None:
    """A warning: an image is built where there is no server."""
    configure(redis)
    messages = found()
    assert list(messages) == ["redis_session.W004"]
    assert "does not answer" in messages["redis_session.W004"]
    assert "<redis" not in messages["redis_session.W004"]


def test_what_does_not_go_together(configure: Configure, server: Server) -> None:
    configure({"url": server.url, "on_limit": "reject"}, SESSION_ENGINE="django.contrib.sessions.backends.db")
    messages = found()
    assert list(messages) == ["redis_session.W001", "redis_session.W002"]
    assert 'Set SESSION_ENGINE = "redis_session_client.django".' in messages["redis_session.W001"]


class SessionStore(OurSessionStore):
    """An engine of the site's own, whose module is this one."""


def test_an_engine_that_is_derived_from_this_one(configure: Configure, server: Server) -> None:
    configure({"url": server.url}, SESSION_ENGINE=__name__)
    assert found() == {}


def test_saving_every_request(configure: Configure, server: Server) -> None:
    configure({"url": server.url}, SESSION_SAVE_EVERY_REQUEST=True)
    assert "redis_session_client.django.middleware.SessionMiddleware" in found()["redis_session.W003"]
    ours = ["redis_session_client.django.middleware.SessionMiddleware", *MIDDLEWARE[1:]]
    configure({"url": server.url}, SESSION_SAVE_EVERY_REQUEST=True, MIDDLEWARE=ours)
    assert found() == {}
    configure({"url": server.url, "rotation_grace": 0}, SESSION_SAVE_EVERY_REQUEST=True)
    assert found() == {}


def test_ids_that_stand_in_the_server(configure: Configure, server: Server) -> None:
    configure({"url": server.url, "hash_keys": False})
    assert found() == {}
    assert "redis_session.W005" in found(deploy=True)


def test_times_may_be_given_as_timedelta(configure: Configure) -> None:
    from datetime import timedelta

    configure({"url": "redis://x", "idle": timedelta(minutes=5), "lifetime": timedelta(days=1)})
    assert (read().options.idle, read().options.lifetime) == (300, 86400)
