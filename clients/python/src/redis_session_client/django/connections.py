"""The clients of the server: one for all threads, and one for each event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.retry
import redis.sentinel
from asgiref.sync import AsyncToSync, sync_to_async
from django.core.cache import InvalidCacheBackendError, caches
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from redis.backoff import NoBackoff

from .._connect import SYNC, TIMEOUT, connect, connect_async
from .._drive import AsyncServer, Steps, SyncServer
from .._operations import Operations
from .configuration import Configuration, codec, read
from .exceptions import of_sessions

T = TypeVar("T")

# Since redis-py 6 `retry` says how often a cluster's command is tried; before, that had a parameter of its own.
_RETRY_IS_THE_CLUSTERS = 6


class Connections:
    """The configuration, the operations, and the clients that run them."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.server = SyncServer(_sync_client(configuration))
        self.operations = Operations(configuration.options, codec(), is_cluster=self.server.is_cluster, details=False)
        self._servers: dict[asyncio.AbstractEventLoop, AsyncServer] = {}
        self._lock = threading.Lock()

    def run(self, steps: Steps[T]) -> T:
        """Runs an operation and returns its result."""
        with of_sessions():
            return self.server.run(steps)

    async def arun(self, steps: Steps[T]) -> T:
        """Runs an operation with the client of the running loop.

        Below `async_to_sync` each call has a loop of its own, which would get connections of its own: there the
        operation runs in the calling thread, with its client. So it does, in a thread, where the site gave a client.
        """
        if asyncio.get_running_loop() in AsyncToSync.loop_thread_executors:
            return await sync_to_async(self.run)(steps)
        if self.configuration.source in ("client", "cache_alias"):
            return await sync_to_async(self.run, thread_sensitive=False)(steps)
        with of_sessions():
            return await self._async_server().run(steps)

    def _async_server(self) -> AsyncServer:
        loop = asyncio.get_running_loop()
        server = self._servers.get(loop)
        if server is None:
            with self._lock:
                # A closed loop will never ask again; its sockets close with its client.
                for old in [known for known in self._servers if known.is_closed()]:
                    del self._servers[old]
                server = self._servers[loop] = AsyncServer(_async_client(self.configuration))
        return server

    def close(self) -> None:
        """Closes the connections of threads; a command opens new ones."""
        self.server.client.close()

    async def aclose(self) -> None:
        """Closes the connections of the running loop."""
        server = self._servers.pop(asyncio.get_running_loop(), None)
        if server is not None:
            await server.client.aclose()


_current: Connections | None = None
_lock = threading.Lock()


def connections() -> Connections:
    """The connections by SESSION_REDIS, made at the first call."""
    return _current if _current is not None else _open()


def _open() -> Connections:
    global _current  # noqa: PLW0603
    with _lock:
        if _current is None:
            with of_sessions():  # a cluster is asked for its nodes at once
                _current = Connections(read())
        return _current


def _forget(*, setting: str, **_: Any) -> None:
    """Tests change settings while they run: what was made by the old ones is made anew."""
    global _current  # noqa: PLW0603
    if setting in ("SESSION_REDIS", "SESSION_SERIALIZER", "CACHES") and _current is not None:
        _current.close()
        _current = None


setting_changed.connect(_forget, dispatch_uid="redis_session_client.connections")


# --- how a client is made: the same for threads and for loops, but for the classes ---


def _sync_client(configuration: Configuration) -> Any:
    where = configuration.where
    match configuration.source:
        case "client":
            return _given(where)
        case "cache_alias":
            return _of_cache(where)
        case "url":
            return connect(where)
    return _made(configuration, redis.RedisCluster, redis.sentinel.Sentinel, redis.retry.Retry)


def _async_client(configuration: Configuration) -> Any:
    if configuration.source == "url":
        return connect_async(configuration.where)
    aio = redis.asyncio
    return _made(configuration, aio.RedisCluster, aio.sentinel.Sentinel, aio.retry.Retry)


def _made(configuration: Configuration, cluster: Any, sentinel: Any, retry: Any) -> Any:
    where = configuration.where
    # A connection that broke is made anew, once; what timed out is not tried again, so that no request waits twice.
    options = {
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,)),
    }
    if configuration.source == "sentinel":
        return _by_sentinel(where, sentinel, options)
    return _of_cluster(where, cluster, options)


def _given(where: Any) -> Any:
    if isinstance(where, str):
        where = import_string(where)
    if isinstance(where, SYNC):
        return where
    made = where() if callable(where) else where
    if not isinstance(made, SYNC):
        raise ImproperlyConfigured(
            f'SESSION_REDIS["client"] is a redis.Redis or redis.RedisCluster, or a function that makes one, '
            f"not {type(made).__module__}.{type(made).__qualname__}."
        )
    return made


def _of_cache(alias: str) -> Any:
    try:
        cache = caches[alias]
    except InvalidCacheBackendError as error:
        raise ImproperlyConfigured(f'SESSION_REDIS["cache_alias"]: {error}') from error
    # Django's RedisCache has its client in `_cache`, django-redis in `client`.
    holder: Any = getattr(cache, "_cache", None) or getattr(cache, "client", None)
    if not hasattr(holder, "get_client"):
        raise ImproperlyConfigured(f'SESSION_REDIS["cache_alias"]: the cache {alias!r} is not on a Redis server.')
    return holder.get_client(write=True)


def _by_sentinel(where: Mapping[str, Any], kind: Any, options: Mapping[str, Any]) -> Any:
    given = dict(where)
    sentinels = [_address(address, 26379) for address in given.pop("sentinels")]
    service = given.pop("service_name")
    of_sentinels = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, **given.pop("sentinel_kwargs", {})}
    return kind(sentinels, sentinel_kwargs=of_sentinels).master_for(service, **{**options, **given})


def _of_cluster(where: Any, kind: Any, options: Mapping[str, Any]) -> Any:
    given = {"nodes": where} if isinstance(where, (str, list, tuple)) else dict(where)
    nodes = given.pop("nodes")
    options = {**options, **given}
    if int(redis.__version__.split(".")[0]) < _RETRY_IS_THE_CLUSTERS:
        options.setdefault("cluster_error_retry_attempts", 1)
    if isinstance(nodes, str):
        return kind.from_url(nodes, **options)
    node: Callable[..., Any] = (
        redis.asyncio.cluster.ClusterNode if kind is redis.asyncio.RedisCluster else redis.cluster.ClusterNode
    )
    return kind(startup_nodes=[node(*_address(address, 6379)) for address in nodes], **options)


def _address(given: Any, default_port: int) -> tuple[str, int]:
    """A host and its port, from ("host", 1234) or "host:1234"."""
    if isinstance(given, str):
        host, _, port = given.partition(":")
        return host, int(port or default_port)
    host, port = given
    return host, int(port)
