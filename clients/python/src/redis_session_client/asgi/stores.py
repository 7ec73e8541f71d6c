"""Where the middleware gets its store: an async client lives and dies with one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

from .._connect import SYNC, connect, connect_async, refuse
from .._drive import AsyncClient
from ..fields import Codec
from ..store import AsyncStore, Options, Store

Loop = asyncio.AbstractEventLoop


class OneStore:
    """The store of a client that the application has made, for the one event loop that it has."""

    def __init__(self, client: AsyncClient, options: Options, codec: Codec | None) -> None:
        self._store = AsyncStore(client, options, codec, details="idle")

    async def current(self) -> AsyncStore:
        """The store."""
        return self._store


class InThreads:
    """A store with the methods of `AsyncStore`, whose commands are run by a sync client in threads: for trio."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        sync = getattr(self._store, method)

        async def in_thread(*args: Any, **options: Any) -> Any:
            import anyio.to_thread  # noqa: PLC0415 - Starlette brings it

            return await anyio.to_thread.run_sync(partial(sync, *args, **options))

        return in_thread


def lock_for(store: AsyncStore) -> AbstractAsyncContextManager[Any]:
    """A lock that tasks can wait for which use this store."""
    if isinstance(store, InThreads):
        import anyio  # noqa: PLC0415 - see there

        return anyio.Lock()
    return asyncio.Lock()


class StorePerLoop:
    """A store for each event loop, with a client of its own that is closed when its loop ends.

    Servers have one loop. Test clients and serverless adapters may have one for each request.
    """

    def __init__(
        self,
        make: Callable[[], AsyncClient],
        options: Options,
        codec: Codec | None,
        without_asyncio: InThreads | None = None,
    ) -> None:
        self._without_asyncio = without_asyncio
        self._make = make
        self._options = options
        self._codec = codec
        self._stores: WeakKeyDictionary[Loop, AsyncStore] = WeakKeyDictionary()
        self._keepers: WeakKeyDictionary[Loop, AsyncGenerator[None, None]] = WeakKeyDictionary()

    async def current(self) -> AsyncStore:
        """The store of the loop that runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if self._without_asyncio is None:
                raise RuntimeError(
                    "redis-py's async clients need asyncio: for trio give the middleware a `url`"
                ) from None
            return cast(AsyncStore, self._without_asyncio)
        store = self._stores.get(loop)
        if store is None:
            store = AsyncStore(self._make(), self._options, self._codec, details="idle")
            self._stores[loop] = store
            self._keepers[loop] = self._keep(loop, store)
            await anext(self._keepers[loop])
        return store

    async def _keep(self, loop: Loop, store: AsyncStore) -> AsyncGenerator[None, None]:
        # A loop that ends in good order (asyncio.run) closes the generators that were begun in it.
        try:
            yield
        finally:
            self._stores.pop(loop, None)
            self._keepers.pop(loop, None)
            await _close(store.client)


async def _close(client: AsyncClient) -> None:
    await client.aclose()
    # A client of Sentinel leaves those open by which it asks where the primary is.
    pool = getattr(client, "connection_pool", None)
    for asked in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
        await asked.aclose()


def stores(
    url: str | None, client: AsyncClient | Callable[[], AsyncClient] | None, options: Options, codec: Codec | None
) -> OneStore | StorePerLoop:
    """The stores of a middleware that was given a URL, a client, or a function that makes one."""
    if url is not None and not isinstance(url, str):
        raise TypeError(f"`url` is a string, not {type(url).__name__}")
    if url is not None and client is None:
        in_threads = InThreads(Store(connect(url), options, codec, details="idle"))
        return StorePerLoop(partial(connect_async, url), options, codec, in_threads)
    if url is not None or client is None:
        raise TypeError("the middleware takes either a `url` or a `client`")
    refuse(client, SYNC, "one of redis.asyncio")
    if callable(client):
        return StorePerLoop(client, options, codec)
    return OneStore(client, options, codec)
