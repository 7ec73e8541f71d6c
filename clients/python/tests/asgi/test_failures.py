"""What goes wrong, and what the visitor sees of it."""

from __future__ import annotations

import time

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff
from starlette.responses import PlainTextResponse

from redis_session_client import ModuleMissing, SessionConflict, SessionTooLarge, WrongType
from tests.asgi.site import ask, make_site, visit
from tests.servers import Server


@pytest.fixture
def lonely():
    """A server that a test may stop."""
    server = Server("--save", "")
    yield server
    server.close()


def test_server_down(lonely):
    async def stop(request):
        request.session["b"] = "1"
        lonely.stop()
        return PlainTextResponse("")

    def look(request):
        return PlainTextResponse("nobody" if not request.session else "somebody")

    app = make_site(url=lonely.url, more={"/stop": stop, "/look": look})
    app.add_exception_handler(
        redis.exceptions.ConnectionError, lambda *_: PlainTextResponse("sessions are not available", 503)
    )
    browser = visit(app, raise_server_exceptions=False)
    browser.get("/set/a/1")
    assert browser.get("/stop").status_code == 500
    response = browser.get("/look")
    assert response.status_code == 503, "the application's own handler sees the error"
    response = browser.get("/plain")
    assert response.text == "a page without a session"
    assert "Set-Cookie" not in response.headers
    other = visit(make_site(url=lonely.url), browser.cookies["session"])
    with pytest.raises(redis.exceptions.ConnectionError), other.websocket_connect("/socket") as socket:
        ask(socket, "read")
    lonely.start()
    assert browser.get("/").status_code == 200


def test_a_cluster_without_nodes():
    def client():
        return redis.asyncio.RedisCluster(host="127.0.0.1", port=1)

    app = make_site(client=client, more={"/look": lambda request: PlainTextResponse(str(len(request.session)))})
    app.add_exception_handler(redis.exceptions.RedisClusterException, lambda *_: PlainTextResponse("away", 503))
    browser = visit(app, "abcdefghabcdefgh", raise_server_exceptions=False)
    assert browser.get("/plain").text == "a page without a session"
    assert browser.get("/look").status_code == 503


def test_the_clients_timeout_bounds_a_request(server):
    browser = visit(make_site(url=f"{server.url.split('?')[0]}?socket_timeout=0.2"), raise_server_exceptions=False)
    browser.get("/set/a/1")
    server.command("CLIENT", "PAUSE", 2500, "ALL")
    begun = time.monotonic()
    assert browser.get("/set/a/2").status_code == 500
    assert time.monotonic() - begun < 2, "0.2 s, and not again"


def test_module_missing(bare_server):
    browser = visit(make_site(url=bare_server.url))
    with pytest.raises(ModuleMissing, match="loadmodule"):
        browser.get("/set/a/1")


def test_check_at_start(server, bare_server):
    with visit(make_site(url=server.url, check_at_start=True)) as browser:
        browser.get("/set/a/1")
    with pytest.raises(ModuleMissing, match="loadmodule"), visit(make_site(url=bare_server.url, check_at_start=True)):
        pass


def test_wrong_type(server):
    browser = visit(make_site(url=server.url))
    browser.get("/set/a/1")
    (key,) = server.keys()
    server.command("DEL", key)
    server.command("SET", key, "another program's")
    with pytest.raises(WrongType, match="prefix"):
        browser.get("/set/a/2")
    assert browser.get("/plain").status_code == 200


def test_too_large(server):
    browser = visit(make_site(url=server.url))
    browser.get("/set/a/1")
    server.command("CONFIG", "SET", "session.max-bytes", 100)
    with pytest.raises(SessionTooLarge, match="max-bytes"):
        browser.get(f"/set/big/{'x' * 200}")
    assert browser.get("/").json() == {"a": "1"}


def test_out_of_memory(server):
    browser = visit(make_site(url=server.url))
    browser.get("/login/alice")
    server.command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        browser.get("/set/a/1")
    assert browser.get("/").json()["user_id"] == "alice"
    assert browser.get("/logout").status_code == 200


def test_strict(server):
    async def slow(request):
        request.session["slow"] = "1"
        server.command("SESSION.SET", request.session.store.key(request.cookies["session"]), "FIELDS", 1, "fast", "1")
        return PlainTextResponse("")

    browser = visit(make_site(url=server.url, conflict="strict", more={"/slow": slow}))
    browser.get("/set/a/1")
    with pytest.raises(SessionConflict):
        browser.get("/slow")


class LosesReplies(redis.asyncio.Connection):
    """A connection that breaks after a command was carried out, once for each name in `of`."""

    of: list[str]
    lost = False

    async def send_command(self, *args, **kwargs):
        await super().send_command(*args, **kwargs)
        self.lost = bool(self.of) and args[0] == self.of[0]

    async def read_response(self, *args, **kwargs):
        reply = await super().read_response(*args, **kwargs)
        if self.lost:
            self.of.pop(0)
            self.lost = False
            await self.disconnect()
            raise redis.exceptions.ConnectionError("the reply was lost")
        return reply


@pytest.mark.parametrize(("grace", "retries"), [(10, 1), (0, 1), (0, 0)])
def test_a_reply_lost_after_rotate(server, grace, retries):
    def client():
        retry = Retry(NoBackoff(), retries)
        pool = redis.asyncio.ConnectionPool(connection_class=LosesReplies, port=server.port, retry=retry)
        return redis.asyncio.Redis.from_pool(pool)

    LosesReplies.of = []
    with visit(make_site(client=client, rotation_grace=grace)) as browser:
        browser.get("/set/cart/17")
        LosesReplies.of = ["SESSION.ROTATE"]
        browser.get("/login/alice")
        assert LosesReplies.of == []
        assert browser.get("/").json()["user_id"] == "alice"
        assert browser.get("/").json()["cart"] == "17"
        assert browser.get("/count/alice").json() == 1


def test_failover_in_the_middle_of_a_request(sentinel):
    def client():
        found = redis.asyncio.sentinel.Sentinel([sentinel.address])
        return found.master_for(sentinel.name, retry=Retry(ConstantBackoff(0.3), 30))

    def fail_over(request):
        request.session["during"] = "1"
        sentinel.failover()
        return PlainTextResponse("")

    with visit(make_site(client=client, more={"/fail-over": fail_over})) as browser:
        browser.get("/login/alice")
        assert browser.get("/fail-over").status_code == 200
        assert browser.get("/").json()["during"] == "1"
        assert browser.get("/count/alice").json() == 1


def test_devices_in_a_cluster(cluster):
    app = make_site(client=lambda: redis.asyncio.RedisCluster.from_url(cluster.url), max_sessions=4)
    browsers = [visit(app) for _ in range(5)]
    for browser in browsers:
        browser.get("/set/cart/17")
        browser.get("/login/alice")
    assert browsers[0].get("/").json() == {}, "the cap holds"
    found = browsers[1].get("/devices").json()
    assert len(found) == 4
    other = next(one["handle"] for one in found if not one["current"])
    assert browsers[1].get(f"/sign-out/{other}").json() is True
    assert browsers[1].get("/sign-out-others").json() == 2
    assert browsers[1].get("/count/alice").json() == 1
