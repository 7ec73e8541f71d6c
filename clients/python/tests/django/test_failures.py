"""What goes wrong, and what a visitor gets then."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient
from django.urls import clear_url_caches, path

from redis_session_client import ModuleMissing, SessionTooLarge, WrongType
from redis_session_client.django import SessionStore, count
from redis_session_client.django.connections import connections
from tests.django import urls
from tests.django.conftest import Browser, Configure
from tests.django.settings import MIDDLEWARE, TEMPLATES
from tests.servers import Sentinel, Server, wait_for

Site = Callable[..., None]
NewBrowser = Callable[[], Browser]
OURS = ["redis_session_client.django.middleware.SessionMiddleware", *MIDDLEWARE[1:]]


@pytest.fixture
def visitor(site: Site, browser: NewBrowser, alice: User) -> Browser:
    visitor = browser()
    visitor.raise_request_exception = False
    visitor.signs_in()
    visitor.writes(cart="[1]")
    return visitor


class Between:
    """A proxy on the way to a server. It can hold answers back, or cut the line when one comes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.silent = False
        #: How many answers to commands beginning so are lost with their connection.
        self.lose = 0
        self.losing = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            while asked := client.recv(1 << 20):
                server.sendall(asked)
                answer = server.recv(1 << 20)
                if self.lose and self.losing in asked:
                    self.lose -= 1
                    return
                while self.silent:
                    time.sleep(0.01)
                client.sendall(answer)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def between(server: Server) -> Iterator[Between]:
    between = Between(server.port)
    yield between
    between.silent = False
    between.close()


# --- the server does not answer ---


def test_without_a_server_django_says_500_and_the_cookie_stays(visitor: Browser, server: Server) -> None:
    cookie = visitor.cookie
    server.stop()
    response = visitor.get("/read/")
    assert response.status_code == 500
    assert "sessionid" not in response.cookies
    server.start()
    assert visitor.cookie == cookie


@pytest.mark.parametrize("page", ["/read/", "/aread/", "/write/?a=1", "/awrite/?a=1"])
def test_without_a_server_our_middleware_says_503(
    site: Site, visitor: Browser, server: Server, page: str, caplog: pytest.LogCaptureFixture
) -> None:
    site(MIDDLEWARE=OURS)
    server.stop()
    response = visitor.get(page)
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    (said,) = [record.getMessage() for record in caplog.records if record.name == "redis_session_client.django"]
    assert said.startswith("the server of the sessions cannot be used: ConnectionError: ")
    assert str(server.port) in said
    assert "sessionid" not in response.cookies


def test_the_site_has_a_page_for_it(site: Site, visitor: Browser, server: Server, tmp_path: Path) -> None:
    (tmp_path / "503.html").write_text("<h1>Bis später</h1>", encoding="utf-8")
    site(MIDDLEWARE=OURS, TEMPLATES=[{**TEMPLATES[0], "DIRS": [tmp_path]}])
    server.stop()
    response = visitor.get("/read/")
    assert response.status_code == 503
    assert response.content.decode() == "<h1>Bis später</h1>"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Retry-After"]


def test_a_cluster_without_nodes(visitor: Browser, configure: Configure) -> None:
    configure({"cluster": {"nodes": ["127.0.0.1:1"]}}, MIDDLEWARE=OURS)
    assert visitor.get("/read/").status_code == 503
    assert visitor.get("/aread/").status_code == 503
    configure({"cluster": {"nodes": ["127.0.0.1:1"]}}, MIDDLEWARE=OURS, CSRF_USE_SESSIONS=True)
    assert visitor.get("/").status_code == 503


def test_a_session_that_is_read_before_the_view(site: Site, visitor: Browser, server: Server) -> None:
    site(MIDDLEWARE=OURS, CSRF_USE_SESSIONS=True)
    server.stop()
    assert visitor.get("/").status_code == 503
    assert visitor.get("/aread/").status_code == 503


async def test_a_session_that_is_read_before_the_view_on_a_loop(site: Site, server: Server) -> None:
    site(MIDDLEWARE=OURS, CSRF_USE_SESSIONS=True)
    visitor = AsyncClient(raise_request_exception=False)
    await visitor.get("/awrite/", {"a": "1"})
    server.stop()
    assert (await visitor.get("/aread/")).status_code == 503


def test_what_could_not_be_read_is_not_waited_for_again(site: Site, configure: Configure, between: Between) -> None:
    configure({"url": f"redis://127.0.0.1:{between.port}/0?socket_timeout=1"})
    begin_with(1)
    between.silent = True
    session = SessionStore("a" * 32)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(redis.exceptions.TimeoutError):
            session.load()
    assert time.monotonic() - started < 1.9
    between.silent = False
    assert SessionStore("a" * 32).load() == {}


def test_an_error_of_the_sites_own_stays_a_500(site: Site, visitor: Browser) -> None:
    site(MIDDLEWARE=OURS)
    assert visitor.get("/fail/").status_code == 500


def test_another_server_that_a_view_asks_stays_a_500(
    site: Site, visitor: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue, say. It is not the sessions that cannot be used, and whoever looks after the site is to be told."""

    def asks_another(request: HttpRequest) -> HttpResponse:
        return HttpResponse(redis.Redis(host="127.0.0.1", port=1).get("job"))

    site(MIDDLEWARE=OURS)
    monkeypatch.setattr(urls, "urlpatterns", [*urls.urlpatterns, path("job/", asks_another)])
    clear_url_caches()
    assert visitor.get("/job/").status_code == 500
    clear_url_caches()
    assert "the server of the sessions" not in caplog.text


def test_the_server_of_the_engine_before_is_one_of_the_sessions(configure: Configure, server: Server) -> None:
    before = Server(module=False)
    try:
        old = "django.contrib.sessions.backends.cache"
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": before.url}
        settings = {"MIDDLEWARE": OURS, "CACHES": {"default": cache}}
        configure({"url": server.url}, SESSION_ENGINE=old, **settings)
        visitor = Browser()
        visitor.raise_request_exception = False
        visitor.writes(cart="[1]")
        configure({"url": server.url, "migrate_from": old}, SESSION_ENGINE="redis_session_client.django", **settings)
        before.command("REPLICAOF", "127.0.0.1", 1)
        assert visitor.get("/read/").status_code == 503
        before.command("REPLICAOF", "NO", "ONE")
        assert visitor.reads() == {"cart": [1]}
    finally:
        before.close()


def test_a_cluster_that_sends_from_node_to_node(site: Site, visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> None:
        raise redis.exceptions.ClusterError("TTL exhausted.")

    site(MIDDLEWARE=OURS)
    monkeypatch.setattr(type(connections().server), "run", run)
    assert visitor.get("/read/").status_code == 503


def test_a_visitor_without_a_cookie_is_served_without_a_server(site: Site, browser: NewBrowser, server: Server) -> None:
    server.stop()
    assert browser().get("/read/").status_code == 200


def test_after_a_restart_of_the_server_the_next_request_works(visitor: Browser, server: Server) -> None:
    server.stop()
    server.start()
    assert visitor.get("/read/").status_code == 200  # the old connection broke, and a new one was made


@pytest.mark.parametrize("page", ["/read/", "/write/?a=1"])
def test_no_request_waits_longer_than_the_time_out(
    site: Site, configure: Configure, visitor: Browser, between: Between, page: str
) -> None:
    configure({"url": f"redis://127.0.0.1:{between.port}/0?socket_timeout=1"}, MIDDLEWARE=OURS)
    assert visitor.reads() == {"cart": [1]}
    between.silent = True
    started = time.monotonic()
    assert visitor.get(page).status_code == 503
    assert time.monotonic() - started < 1.9


# --- an answer is lost ---


def test_a_lost_answer_to_a_login(
    site: Site, configure: Configure, browser: NewBrowser, between: Between, alice: User
) -> None:
    configure({"url": f"redis://127.0.0.1:{between.port}/0"})
    visitor = browser()
    visitor.writes(cart="[1]")
    between.losing, between.lose = b"SESSION.ROTATE", 1
    assert visitor.signs_in().status_code == 200
    assert between.lose == 0
    assert visitor.who() == "alice"
    assert visitor.reads() == {"cart": [1]}
    assert count(alice) == 1


def test_a_lost_answer_to_a_login_without_a_grace(
    site: Site, configure: Configure, browser: NewBrowser, between: Between, alice: User
) -> None:
    configure({"url": f"redis://127.0.0.1:{between.port}/0", "rotation_grace": 0})
    visitor = browser()
    visitor.writes(cart="[1]")
    between.losing, between.lose = b"SESSION.ROTATE", 1
    assert visitor.signs_in().status_code == 200
    assert between.lose == 0
    assert visitor.who() == "alice"
    assert count(alice) == 1


def test_a_lost_answer_to_the_first_write(
    site: Site, configure: Configure, browser: NewBrowser, between: Between, server: Server
) -> None:
    configure({"url": f"redis://127.0.0.1:{between.port}/0"})
    visitor = browser()
    between.losing, between.lose = b"SESSION.SET", 1
    visitor.writes(cart="[1]")
    assert between.lose == 0
    assert visitor.reads() == {"cart": [1]}
    assert len(server.keys()) == 1


async def test_on_an_event_loop(configure: Configure, between: Between) -> None:
    configure({"url": f"redis://127.0.0.1:{between.port}/0?socket_timeout=1"})
    session = SessionStore()
    await session.aset("cart", [1])
    await session.asave()
    await session.acycle_key()
    await session.aset("_auth_user_id", "7")
    between.losing, between.lose = b"SESSION.ROTATE", 1
    await session.asave()
    assert between.lose == 0
    assert await SessionStore(session.session_key).aget("cart") == [1]
    between.silent = True
    started = time.monotonic()
    with pytest.raises(redis.exceptions.TimeoutError):
        await SessionStore(session.session_key).aload()
    assert time.monotonic() - started < 1.9
    between.silent = False
    assert await SessionStore(session.session_key).aget("cart") == [1]
    await connections().aclose()


# --- the server says no ---


def test_a_server_without_the_module(configure: Configure, bare_server: Server) -> None:
    configure({"url": bare_server.url})
    session = SessionStore()
    session["a"] = 1
    with pytest.raises(ModuleMissing, match="has not loaded the redis-session module"):
        session.save()
    with pytest.raises(ModuleMissing):
        SessionStore("a" * 32).load()


def test_something_else_under_the_prefix(visitor: Browser, server: Server) -> None:
    (key,) = server.keys()
    server.command("SET", key, "not a session")
    with pytest.raises(WrongType, match=re.escape(f"stored under {key}; give sessions a prefix of their own")):
        SessionStore(visitor.cookie).load()
    assert visitor.get("/read/").status_code == 500
    assert server.command("GET", key) == "not a session"


def test_a_session_that_is_too_large(visitor: Browser, server: Server) -> None:
    server.command("CONFIG", "SET", "session.max-bytes", 2000)
    session = SessionStore(visitor.cookie)
    session["picture"] = "x" * 3000
    with pytest.raises(SessionTooLarge, match="2000 bytes"):
        session.save()
    assert visitor.reads() == {"cart": [1]}
    server.command("CONFIG", "SET", "session.max-fields", 8)
    with pytest.raises(SessionTooLarge, match="8 fields"):
        begin_with(10)


def begin_with(fields: int) -> None:
    session = SessionStore()
    session.update({f"field{n}": n for n in range(fields)})
    session.save()


def test_a_server_without_memory(site: Site, visitor: Browser, server: Server) -> None:
    site(MIDDLEWARE=OURS)
    server.command("CONFIG", "SET", "maxmemory", 1)
    assert visitor.reads() == {"cart": [1]}
    response = visitor.get("/write/?cart=[2]")
    assert response.status_code == 503
    assert visitor.reads() == {"cart": [1]}
    visitor.get("/sign-off/")
    assert visitor.who() == "nobody"
    assert server.keys() == []


def test_a_server_whose_replicas_are_away(site: Site, visitor: Browser, server: Server) -> None:
    site(MIDDLEWARE=OURS)
    server.command("CONFIG", "SET", "min-replicas-to-write", 1)
    for page in ("/read/", "/aread/", "/write/?cart=[2]"):
        assert visitor.get(page).status_code == 503
    with pytest.raises(redis.exceptions.ResponseError, match=r"^NOREPLICAS"):
        SessionStore(visitor.cookie).load()
    server.command("CONFIG", "SET", "min-replicas-to-write", 0)
    assert visitor.reads() == {"cart": [1]}


def test_a_user_of_the_server_that_may_not(site: Site, configure: Configure, server: Server) -> None:
    server.command("ACL", "SETUSER", "reader", "on", ">secret", "~sess:*", "+session.get", "+session.getex")
    configure({"url": f"redis://reader:secret@127.0.0.1:{server.port}/0"})
    with pytest.raises(redis.exceptions.NoPermissionError):
        begin_with(1)


def test_a_value_that_cannot_be_read_any_more(site: Site, server: Server) -> None:
    with pytest.MonkeyPatch.context() as patch:
        site(SESSION_SERIALIZER="tests.django.test_engine.PickleSerializer")
        session = SessionStore()
        session["a"], session["_auth_user_id"] = 1, "7"
        session.save()
        from tests.django.test_engine import PickleSerializer

        def loads(self: Any, data: bytes) -> Any:
            raise AttributeError("the class is gone")

        patch.setattr(PickleSerializer, "loads", loads)
        again = SessionStore(session.session_key)
        assert dict(again.items()) == {}  # as with Django's engines
        again["b"] = 2
        again.save()
    assert dict(SessionStore(session.session_key).items()) == {"b": 2}
    assert count("7") == 0


# --- failover ---


def test_a_failover_in_the_middle_of_a_request(configure: Configure, sentinel: Sentinel, alice: User) -> None:
    where = {"sentinels": [sentinel.address], "service_name": sentinel.name}
    configure({"sentinel": where}, MIDDLEWARE=OURS)
    visitor = Browser()
    visitor.raise_request_exception = False
    visitor.signs_in()
    visitor.writes(cart="[1]")
    session = SessionStore(visitor.cookie)
    session["cart"].append(2)
    session.modified = True
    sentinel.failover()
    session.save()
    assert visitor.reads() == {"cart": [1, 2]}
    assert count(alice) == 1
    wait_for(lambda: visitor.get("/write/?cart=[3]").status_code == 200)
    assert visitor.reads() == {"cart": [3]}


def test_while_there_is_no_primary(configure: Configure, sentinel: Sentinel, alice: User) -> None:
    where = {"sentinels": [sentinel.address], "service_name": sentinel.name, "socket_timeout": 1}
    configure({"sentinel": where}, MIDDLEWARE=OURS)
    visitor = Browser()
    visitor.raise_request_exception = False
    visitor.writes(cart="[1]")
    primary = sentinel.primary()
    replica = next(server for server in sentinel.servers if server is not primary)
    wait_for(lambda: replica.keys() == primary.keys() != [])
    primary.stop()
    assert visitor.get("/read/").status_code == 503
    wait_for(lambda: visitor.get("/read/").status_code == 200, 30)
    assert visitor.reads() == {"cart": [1]}
    primary.start()
    wait_for(lambda: primary.command("ROLE")[0] == "slave", 30)


def test_closing_and_going_on(site: Site) -> None:
    begin_with(1)
    connections().close()
    begin_with(1)
