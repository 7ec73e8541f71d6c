"""The examples of docs/sockets-python.md do what the page says."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.events.test_events import PATIENCE, publish
from tests.pages import at_server, examples, section
from tests.servers import TOP, Server, free_port, wait_for

PAGE = TOP / "docs/sockets-python.md"


@pytest.fixture
def blocks(server: Server) -> list[str]:
    publish(server)
    return [at_server(example, server) for example in examples(section(PAGE, "Python"))]


async def connect(port: int, session_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.02)
    writer.write(f"{session_id}\n".encode())
    return reader, writer


async def test_a_socket_server(server: Server, blocks: list[str]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(blocks[0], names)
    store = names["store"]
    for session_id in ("0123456789abcdef", "fedcba9876543210"):
        assert await store.create(session_id, {}, user="alice")
    port = free_port()
    task = asyncio.create_task(names["main"](port))
    ids = ("0123456789abcdef", "0123456789abcdef", "fedcba9876543210", "not-a-session-at-all")
    # Python closes what nobody holds any more: the writers are kept.
    opened = [await connect(port, session_id) for session_id in ids]
    one, two, other, stranger = (reader for reader, _ in opened)
    for reader in (one, two, other):
        assert await asyncio.wait_for(reader.readline(), PATIENCE) == b"hello, alice\n"
    assert await asyncio.wait_for(stranger.read(), PATIENCE) == b""
    await store.sign_out("alice", keep="fedcba9876543210")
    for reader in (one, two):
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b"closed: revoked\n"
    assert list(names["sockets"]) == ["fedcba9876543210"]
    opened[2][1].close()
    await asyncio.to_thread(wait_for, lambda: not names["sockets"], PATIENCE, "the closed socket to be forgotten")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await names["client"].aclose()


def test_without_asyncio(server: Server, blocks: list[str]) -> None:
    names: dict[str, Any] = {}
    exec(blocks[1], names)
    ended = []
    assert names["store"].create("0123456789abcdef", {}, user="alice")
    with names["session_events"](names["client"], names["store"]) as events:
        thread = threading.Thread(target=names["close_sockets"], args=(events, lambda *told: ended.append(told)))
        thread.start()
        events.watch("0123456789abcdef")
        events.ready(PATIENCE)
        names["store"].delete("0123456789abcdef")
        while not ended:
            thread.join(0.01)
        events.close()
        thread.join(PATIENCE)
    assert ended == [("0123456789abcdef", "signed-out")]
    exec(blocks[2], names)
