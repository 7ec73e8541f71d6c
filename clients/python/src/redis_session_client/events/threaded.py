"""Sessions that end, as they end, for applications without asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import Sentinel

from .._drive import AsyncClient, SyncClient
from .asynchronous import AsyncSessionEvents
from .listening import plain
from .watched import EndedSession


class SessionEvents:
    """See `session_events`. Its methods may be called from any thread.

    A thread of its own runs an event loop, with connections of its own that are made as those of the client are.
    """

    def __init__(
        self, client: SyncClient, key: Callable[[str], str] | None, interval: float, *, published: bool
    ) -> None:
        self._client = client
        self._options = (key, interval, published)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: AsyncSessionEvents | None = None
        self._started = threading.Event()
        self._closing: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="session events", daemon=True)

    def watch(self, session_id: str) -> None:
        """From now on the end of this session is told, also if it has ended already. It is told once."""
        loop, events = self._running()
        loop.call_soon_threadsafe(events.watch, session_id)

    def unwatch(self, session_id: str) -> None:
        """The end of this session is not told any more."""
        loop, events = self._running()
        loop.call_soon_threadsafe(events.unwatch, session_id)

    def ready(self, timeout: float | None = None) -> None:
        """Waits until events are listened to, or it is clear that sessions must be asked for instead."""
        loop, events = self._running()
        asyncio.run_coroutine_threadsafe(events.ready(), loop).result(timeout)

    def close(self) -> None:
        """Ends the iteration, whichever thread is in it. What was opened is closed at the end of the `with` block."""
        loop, events = self._running()
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.close)

    def __enter__(self) -> SessionEvents:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        loop, _ = self._running()
        closing = self._closing
        assert closing is not None  # noqa: S101 - set before __enter__ returns
        if not loop.is_closed():
            loop.call_soon_threadsafe(closing.set)
        self._thread.join()

    def __iter__(self) -> SessionEvents:
        return self

    def __next__(self) -> EndedSession:
        loop, events = self._running()
        coming = asyncio.run_coroutine_threadsafe(_next(events), loop)
        try:
            return coming.result()
        except StopAsyncIteration:
            raise StopIteration from None
        except BaseException:
            coming.cancel()  # or it would take the next session that ends, and nobody would be told
            raise

    def _running(self) -> tuple[asyncio.AbstractEventLoop, AsyncSessionEvents]:
        if self._loop is None or self._events is None:
            raise RuntimeError("use it in a `with` block: with session_events(client) as events: ...")
        return self._loop, self._events

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            if self._started.is_set():
                raise
            self._failure = error  # for the thread that waits for us to begin
            self._started.set()

    async def _main(self) -> None:
        key, interval, published = self._options
        self._closing = asyncio.Event()
        async with (
            _connected(self._client) as client,
            AsyncSessionEvents(client, key, interval, published=published) as self._events,
        ):
            self._loop = asyncio.get_running_loop()
            self._started.set()
            await self._closing.wait()


async def _next(events: AsyncSessionEvents) -> EndedSession:
    return await events.__anext__()


@contextlib.asynccontextmanager
async def _connected(client: SyncClient) -> AsyncIterator[AsyncClient]:
    """An asyncio client of the same servers, closed at the end."""
    asynchronous: Any = _of_cluster(client) if isinstance(client, redis.RedisCluster) else _of_pool(client)
    try:
        yield asynchronous
    finally:
        if isinstance(client, redis.RedisCluster):
            await asynchronous.aclose()
        else:
            manager = getattr(asynchronous.connection_pool, "sentinel_manager", None)
            for each in [asynchronous, *(manager.sentinels if manager else [])]:
                await each.connection_pool.disconnect()


def _of_cluster(client: Any) -> redis.asyncio.RedisCluster:
    options = client.get_connection_kwargs()
    nodes = [ClusterNode(node.host, node.port) for node in client.get_nodes()]
    return redis.asyncio.RedisCluster(
        startup_nodes=nodes,
        ssl=bool(options.get("ssl")),
        socket_timeout=options.get("socket_timeout"),
        **plain(options),
    )


def _of_pool(client: Any) -> redis.asyncio.Redis:
    pool = client.connection_pool
    given = pool.connection_kwargs
    options = {**plain(given), "socket_timeout": given.get("socket_timeout"), "db": given.get("db") or 0}
    encrypted = issubclass(pool.connection_class, redis.SSLConnection)
    if hasattr(pool, "sentinel_manager"):
        asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
        manager: Any = Sentinel(  # type: ignore[no-untyped-call]
            [(one["host"], one["port"]) for one in asked],
            sentinel_kwargs={**plain(asked[0]), "socket_timeout": asked[0].get("socket_timeout")},
        )
        primary: redis.asyncio.Redis = manager.master_for(pool.service_name, ssl=encrypted, **options)
        return primary
    kind: Any = SSLConnection if encrypted else Connection
    if issubclass(pool.connection_class, redis.UnixDomainSocketConnection):
        kind = UnixDomainSocketConnection
    where = {name: given[name] for name in ("host", "port", "path") if name in given}
    return redis.asyncio.Redis(connection_pool=ConnectionPool(kind, **options, **where))
