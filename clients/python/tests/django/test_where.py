"""The ways to say where the server is: alone, behind Sentinel, a cluster, a client of the site's own, a cache's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured

from redis_session_client.django import SessionStore, count, devices, sign_out, sign_out_device
from redis_session_client.django.connections import connections
from tests.django.conftest import Browser, Configure
from tests.servers import Cluster, Sentinel, Server

_made: list[redis.Redis] = []


def make_client() -> redis.Redis:
    """What a site may name: `"client": "shop.redis.make_client"`."""
    return _made[0]


@pytest.fixture(
    params=["url", "object", "dotted name", "RedisCache", "django-redis", "sentinel", "sentinel, host:port", "cluster"]
)
def where(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings: SESSION_REDIS, and others by name."""
    kind = request.param
    if kind.startswith("sentinel"):
        sentinel: Sentinel = request.getfixturevalue("sentinel")
        host, port = sentinel.address
        address: Any = f"{host}:{port}" if "host" in kind else (host, port)
        return {"redis": {"sentinel": {"sentinels": [address], "service_name": sentinel.name}}}
    if kind == "cluster":
        cluster: Cluster = request.getfixturevalue("cluster")
        return {"redis": {"cluster": [f"127.0.0.1:{node.port}" for node in cluster.nodes[:2]]}}
    server: Server = request.getfixturevalue("server")
    _made[:] = [server.client(decode_responses=False)]
    if kind == "object":
        return {"redis": {"client": _made[0]}}
    if kind == "dotted name":
        return {"redis": {"client": f"{__name__}.make_client"}}
    backends = {
        "RedisCache": "django.core.cache.backends.redis.RedisCache",
        "django-redis": "django_redis.cache.RedisCache",
    }
    if kind == "django-redis":
        pytest.importorskip("django_redis")
    if kind in backends:
        cache = {"BACKEND": backends[kind], "LOCATION": server.url}
        return {"redis": {"cache_alias": "sessions"}, "CACHES": {"default": cache, "sessions": cache}}
    return {"redis": {"url": server.url}}


@pytest.fixture
def anywhere(where: dict[str, Any], configure: Configure) -> Callable[..., None]:
    """The site on that server, with more options if called."""

    def site(**options: Any) -> None:
        configure({**where["redis"], **options}, **{name: value for name, value in where.items() if name.isupper()})

    site()
    return site


@pytest.mark.usefixtures("anywhere")
def test_a_life(alice: User) -> None:
    laptop, phone, tablet = Browser(), Browser(), Browser()
    for browser in (laptop, phone, tablet):
        browser.writes(cart="[1]")
        browser.signs_in()
        assert browser.who() == "alice"
        assert browser.reads() == {"cart": [1]}
    assert phone.get("/aread/").json() == {"cart": [1]}
    found = devices(alice, current=phone.cookie)
    assert len(found) == count(alice) == 3
    assert [one.current for one in found].count(True) == 1
    assert found[0].current  # the last to be used
    late = tablet.twin()
    tablet.get("/sign-off/")
    assert late.reads() == {}
    handle = next(one.handle for one in devices(alice, current=phone.cookie) if not one.current)
    assert sign_out_device(alice, handle)
    assert [laptop.who(), phone.who()] == ["nobody", "alice"]
    laptop.signs_in()
    assert sign_out(alice, keep=phone.cookie) == 1
    assert [laptop.who(), phone.who()] == ["nobody", "alice"]
    assert sign_out(alice) == 1
    assert count(alice) == 0


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("policy", "who"), [("oldest", ["nobody", "alice", "alice"]), ("reject", ["alice", "alice", "nobody"])]
)
def test_a_cap(anywhere: Callable[..., None], policy: str, who: list[str]) -> None:
    anywhere(max_sessions=2, on_limit=policy)
    browsers = [Browser() for _ in range(3)]
    for browser in browsers:
        browser.signs_in()
    assert [browser.who() for browser in browsers] == who


@pytest.mark.usefixtures("anywhere")
async def test_a_life_on_an_event_loop() -> None:
    session = SessionStore()
    await session.aset("cart", [1])
    await session.asave()
    one, other = SessionStore(session.session_key), SessionStore(session.session_key)
    await one.aset("a", 1)
    await other.aset("b", 2)
    await one.asave()
    await other.asave()
    await one.acycle_key()
    await one.asave()
    assert not await one.aexists(session.session_key)
    again = SessionStore(one.session_key)
    assert dict(await again.aitems()) == {"cart": [1], "a": 1, "b": 2}
    await again.aflush()
    assert not await again.aexists(one.session_key)
    await connections().aclose()


def test_a_cache_that_is_none_on_redis(configure: Configure) -> None:
    configure({"cache_alias": "default"})
    with pytest.raises(ImproperlyConfigured, match="is not on a Redis server"):
        connections()


def test_a_cluster_by_url(configure: Configure, cluster: Cluster) -> None:
    configure({"cluster": cluster.url})
    session = SessionStore()
    session["cart"] = [1]
    session.save()
    assert SessionStore(session.session_key)["cart"] == [1]
    assert len(cluster.keys()) == 1


def test_options_of_the_client(configure: Configure, cluster: Cluster) -> None:
    configure({"cluster": {"nodes": [("127.0.0.1", cluster.port)], "socket_timeout": 1.5}})
    client = connections().server.client
    assert client.get_primaries()[0].redis_connection.get_connection_kwargs()["socket_timeout"] == 1.5
