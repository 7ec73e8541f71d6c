"""Async views: on a native event loop, and below `async_to_sync`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.test import AsyncClient

from redis_session_client._drive import SyncServer
from redis_session_client.django import SessionRotated, SessionStore, acount
from redis_session_client.django.connections import connections
from tests.django.conftest import Browser
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("site")
Site = Callable[..., None]


def clients(server: Server) -> int:
    return len(server.command("CLIENT", "LIST").splitlines())


async def begun(**data: Any) -> SessionStore:
    session = SessionStore()
    await session.aupdate(data)
    await session.asave()
    return session


async def test_each_command_is_awaited_on_the_loop(server: Server) -> None:
    session = await begun(cart=[1])
    with server.counting() as calls:
        again = SessionStore(session.session_key)
        await again.aset("cart", [2])
        await again.asave()
    assert calls == {"session.getex": 1, "session.set": 1}
    # No client for threads was ever used.
    assert "Redis" in type(connections()._async_server().client).__name__


async def test_requests_of_a_native_loop(server: Server, alice: User) -> None:
    browser = AsyncClient()
    await browser.get("/awrite/", {"cart": "[1]"})
    response = await browser.get("/aread/")
    assert response.json() == {"cart": [1]}
    await browser.post("/sign-in/", {"username": "alice", "password": "secret"})
    assert await acount(alice) == 1
    assert (await browser.get("/aread/")).json() == {"cart": [1]}


async def test_many_requests_at_a_time() -> None:
    session = await begun(start=True)

    async def write(n: int) -> None:
        own = SessionStore(session.session_key)
        await own.aset(f"field{n}", n)
        await own.asave()

    await asyncio.gather(*(write(n) for n in range(20)))
    assert len(await SessionStore(session.session_key).akeys()) == 21


async def test_what_ended_does_not_come_back() -> None:
    session = await begun(cart=[1])
    other = SessionStore(session.session_key)
    await other.aset("cart", [2])
    await session.aflush()
    with pytest.raises(UpdateError):
        await other.asave()
    with pytest.raises(UpdateError):
        await SessionStore(session.session_key or "x" * 32).asave()


async def test_the_login_cookie_race() -> None:
    session = await begun(cart=[1])
    old = session.session_key
    slow = SessionStore(old)
    await slow.aset("cart", [2])
    await session.acycle_key()
    await session.aset("_auth_user_id", "7")
    await session.asave()
    with pytest.raises(SessionRotated):
        await slow.asave()
    late = SessionStore(old)
    assert await late.aget("cart") == [1]
    await late.aset("cart", [3])
    assert not late.modified
    await late.asave()
    await late.aflush()
    assert not late.is_empty()
    assert await SessionStore(session.session_key).aget("cart") == [1]


async def test_an_id_that_is_taken() -> None:
    session = await begun(cart=[1])
    with pytest.raises(CreateError):
        await SessionStore(session.session_key).asave(must_create=True)
    await SessionStore.aclear_expired()


def test_below_async_to_sync_no_connections_are_left(server: Server, browser: Callable[[], Browser]) -> None:
    visitor = browser()
    visitor.writes(cart="[1]")
    before = clients(server)
    for _ in range(20):
        assert visitor.get("/aread/").json() == {"cart": [1]}  # a sync client runs an async view
        assert async_to_sync(SessionStore(visitor.cookie).aget)("cart") == [1]
    assert clients(server) <= before + 1


def test_a_loop_that_is_there_is_used_below_a_sync_middleware(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_a_thread(*_: Any) -> Any:
        raise AssertionError("a client for threads was used")

    async def visit() -> None:
        session = await begun(cart=[1])

        def middleware() -> Any:
            return async_to_sync(SessionStore(session.session_key).aget)("cart")

        assert await sync_to_async(middleware)() == [1]

    async_to_sync(begun)()  # leaves its marks behind
    monkeypatch.setattr(SyncServer, "call", in_a_thread)
    asyncio.run(visit())


def test_a_loop_each_leaves_no_connections(server: Server) -> None:
    async def visit() -> None:
        session = await begun(cart=[1])
        assert await SessionStore(session.session_key).aget("cart") == [1]

    before = clients(server)
    for _ in range(10):
        asyncio.run(visit())
    gc.collect()
    assert len(connections()._servers) <= 1
    assert clients(server) <= before + 2


async def test_a_sync_view_in_a_thread_of_the_loop() -> None:
    session = await begun(cart=[1])

    def view() -> Any:
        own = SessionStore(session.session_key)
        return own["cart"]

    assert await sync_to_async(view)() == [1]
