"""Web sockets: read, write before they are accepted and after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
import redis.asyncio
from starlette.websockets import WebSocketDisconnect

from redis_session_client import AsyncStore, Store
from redis_session_client.asgi import SessionMiddleware, save
from tests.asgi.site import ask, visit
from tests.servers import wait_for


def test_a_socket_reads_and_writes_the_session_of_the_browser(site, server):
    browser = visit(site())
    browser.get("/set/a/1")
    with server.counting() as calls, browser.websocket_connect("/socket") as socket:
        assert ask(socket, "read") == {"a": "1"}
        socket.send_text("hello")
        assert ask(socket, "touch") is True
    assert browser.get("/").json() == {"a": "1", "said": "hello"}
    assert calls == {"session.getex": 1, "session.touch": 1, "session.set": 1}


def test_it_saves_when_asked_to(site):
    browser = visit(site())
    browser.get("/set/a/1")
    with browser.websocket_connect("/socket") as socket:
        socket.send_text("hello")
        assert ask(socket, "save") == "saved"
        assert browser.get("/").json() == {"a": "1", "said": "hello"}


def test_what_was_said_before_it_broke_is_kept(site):
    browser = visit(site())
    browser.get("/set/a/1")
    with pytest.raises(RuntimeError, match="broken"), browser.websocket_connect("/socket") as socket:
        ask(socket, "hello", "break")
    assert browser.get("/").json() == {"a": "1", "said": "hello"}


def test_a_session_begins_with_the_accept(site):
    browser = visit(site())
    with browser.websocket_connect("/socket?before=1") as socket:
        headers = dict(socket.extra_headers or ())
        socket.send_text("hello")
    cookie = headers[b"set-cookie"].decode()
    assert b"vary" not in headers
    late = visit(site(), cookie.split(";")[0].removeprefix("session="))
    assert late.get("/").json() == {"before": "1", "said": "hello"}


def test_too_late_to_begin(site, server, caplog):
    browser = visit(site())
    with browser.websocket_connect("/socket") as socket:
        socket.send_text("hello")
    assert server.keys() == []
    assert "do it before" in caplog.text
    with pytest.raises(RuntimeError, match="do it before"), browser.websocket_connect("/socket") as socket:
        ask(socket, "hello", "save")


def test_a_refused_socket_begins_no_session(site, server):
    browser = visit(site())
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect("/refused"):
        pass
    assert server.keys() == []


def test_a_socket_learns_that_its_session_has_ended(site):
    browser = visit(site())
    browser.get("/login/alice")
    with browser.websocket_connect("/socket") as socket:
        browser.get("/sign-out-all")
        assert ask(socket, "touch") is False
        socket.send_text("hello")
    assert browser.get("/").json() == {}


@pytest.mark.parametrize("fails", [False, True])
async def test_what_changes_while_it_is_saved_is_saved_next(server, fails):
    """A socket is often served by two tasks, one that receives and one that sends."""

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        scope["session"]["n"] = 1
        server.command("CLIENT", "PAUSE", 10_000, "WRITE")
        saving = asyncio.create_task(save(scope))
        await asyncio.sleep(0)
        await asyncio.to_thread(wait_for, lambda: "blocked_clients:1" in server.command("INFO", "clients"))
        scope["session"]["n"] = 2
        if fails:
            saving.cancel()
        server.command("CLIENT", "UNPAUSE")
        await asyncio.gather(saving, return_exceptions=True)
        assert scope["session"]["n"] == 2

    assert await left_by(app, server) == {"n": 2}


@pytest.mark.parametrize("more", [{}, {"m": 2}])
async def test_what_two_tasks_save_at_the_same_time_is_saved_in_turn(server, more):
    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        server.command("CLIENT", "PAUSE", 10_000, "WRITE")
        scope["session"]["k"] = 1
        first = asyncio.create_task(save(scope))
        await asyncio.to_thread(wait_for, lambda: "blocked_clients:1" in server.command("INFO", "clients"))
        del scope["session"]["k"]
        scope["session"].update(more)
        second = asyncio.create_task(save(scope))
        await asyncio.sleep(0)  # until it waits for something
        server.command("CLIENT", "UNPAUSE")
        await asyncio.gather(first, second)

    assert await left_by(app, server) == {"n": 0, **more}


def test_without_asyncio_they_are_saved_in_turn_too(server):
    trio = pytest.importorskip("trio")

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        async with trio.open_nursery() as nursery:
            for n in range(5):
                scope["session"][str(n)] = n
                nursery.start_soon(save, scope)
                await trio.sleep(0)
                del scope["session"][str(n)]
                nursery.start_soon(save, scope)

    async def nothing(_):
        pass

    store = Store(redis.Redis(port=server.port))
    store.create("abcdefgh", {"n": 0})
    scope = {"type": "websocket", "headers": [(b"cookie", b"session=abcdefgh")], "client": ("", 0)}
    trio.run(SessionMiddleware(app, url=server.url), scope, None, nothing)
    loaded = store.load("abcdefgh")
    assert loaded is not None
    assert loaded.data() == {"n": 0}


async def left_by(app, server) -> dict[str, Any]:
    """What the session of a socket holds when it is closed. Before, it holds `{"n": 0}`."""

    async def nothing(_):
        pass

    client = redis.asyncio.Redis(port=server.port, decode_responses=True)
    store = AsyncStore(client)
    await store.create("abcdefgh", {"n": 0})
    scope = {"type": "websocket", "headers": [(b"cookie", b"session=abcdefgh")], "client": ("", 0)}
    site: Any = SessionMiddleware(app, client=client)
    await site(scope, None, nothing)
    loaded = await store.load("abcdefgh")
    assert loaded is not None
    await client.aclose()
    return loaded.data()
