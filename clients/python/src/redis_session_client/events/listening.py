"""Connections that listen to what the servers publish: one for each primary, found anew when there are others."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import redis.asyncio
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from .._replies import text
from .watched import EVENTS

#: Seconds after which a server that says nothing is taken for dead.
PATIENCE = 3.0
_FIRST_PAUSE = 0.025
_LONGEST_PAUSE = 2.0
#: What a connection may come to. TypeError: asyncio of Python 3.13.0 on a connection that has just been closed.
# RedisClusterException, which is no RedisError: a cluster of which no node answers at this moment.
FAILURES = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError, TypeError)

# What a connection needs to know of a client's: where to, as whom, how encrypted. Not how replies are read.
_PLAIN = ("username", "password", "credential_provider", "client_name", "socket_connect_timeout", "socket_keepalive")
_WHERE = ("host", "port", "path", "db")


class Primary(NamedTuple):
    """A primary, and how to connect to it. Another name means another server."""

    name: str
    kind: type[Connection | UnixDomainSocketConnection]
    options: dict[str, Any]


class Listener:
    """Listens on one connection. It never comes back by itself: a new one is opened, so that the gap is noticed."""

    def __init__(self, primary: Primary, event: Callable[[str, str], None], interval: float) -> None:
        self._connection: Any = primary.kind(
            **{"socket_connect_timeout": PATIENCE, **primary.options},
            socket_timeout=PATIENCE,
            protocol=2,  # what is published comes as an ordinary reply
            decode_responses=True,
            encoding_errors="surrogateescape",
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = f"__keyevent@{primary.options.get('db') or 0}__:"
        self._event = event
        self._interval = interval

    async def open(self) -> None:
        """Subscribes. RedisError, OSError: it cannot."""
        try:
            await self._connection.connect()
            await self._connection.send_command("SUBSCRIBE", *(self._prefix + name for name in EVENTS))
            for _ in EVENTS:
                await self._connection.read_response()
        except BaseException:
            await self.close()
            raise

    async def run(self) -> None:
        """Passes events on until the connection is lost."""
        try:
            while True:
                message = await self._connection.read_response(timeout=self._interval)
                if message is None:
                    # A connection to a host that has vanished stays open on our side: only a question tells.
                    await self._connection.send_command("PING", check_health=False)
                    message = await self._connection.read_response(timeout=PATIENCE)
                    if message is None:
                        return
                if message[0] == "message":
                    self._event(message[1].removeprefix(self._prefix), message[2])
        except FAILURES:
            return

    async def close(self) -> None:
        with contextlib.suppress(*FAILURES):
            await self._connection.disconnect(nowait=True)


class Listening:
    """Keeps a listener on every primary.

    `complete` is called when all primaries are listened to after a time when one was not, `incomplete` for each attempt
    that fails.
    """

    def __init__(
        self,
        client: Any,
        interval: float,
        event: Callable[[str, str], None],
        complete: Callable[[], None],
        incomplete: Callable[[BaseException], None],
    ) -> None:
        self._client = client
        self._interval = interval
        self._event = event
        self._complete = complete
        self._incomplete = incomplete
        self._running: dict[str, asyncio.Task[None]] = {}
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Looks for the primaries now, and not only when it is time."""
        self._hurry.set()

    async def run(self) -> None:
        """Runs until it is cancelled."""
        failures = 0
        is_complete = False
        try:
            while True:
                self._hurry.clear()
                try:
                    opened = await self._look()
                except FAILURES as error:
                    failures += 1
                    is_complete = False
                    self._incomplete(error)
                else:
                    failures = 0
                    if opened or not is_complete:
                        is_complete = True
                        self._complete()
                await self._pause(min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE) if failures else self._interval)
        finally:
            await self._drop(list(self._running))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
            await asyncio.sleep(_FIRST_PAUSE)

    async def _look(self) -> int:
        """Opens what is missing, closes what is no primary any more. Tells how many were opened."""
        found = {primary.name: primary for primary in await asyncio.wait_for(primaries(self._client), PATIENCE)}
        await self._drop([name for name in self._running if name not in found])
        missing = [primary for name, primary in found.items() if name not in self._running]
        results = await asyncio.gather(*(self._open(primary) for primary in missing), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return len(missing)

    async def _open(self, primary: Primary) -> None:
        listener = Listener(primary, self._event, self._interval)
        await asyncio.wait_for(listener.open(), 2 * PATIENCE)
        self._running[primary.name] = asyncio.create_task(self._listen(primary.name, listener))

    async def _listen(self, name: str, listener: Listener) -> None:
        try:
            await listener.run()
            self._running.pop(name, None)
            self.hurry()
        finally:
            await listener.close()

    async def _drop(self, names: list[str]) -> None:
        await end([task for name in names if (task := self._running.pop(name, None))])


def is_refusal(error: BaseException) -> bool:
    """Whether the server understood and does not want to, which time does not mend."""
    return type(error) is ResponseError or isinstance(error, (NoPermissionError, AuthenticationError))


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks, and waits until they have ended."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        # Before Python 3.12 wait_for loses a cancellation that comes at the moment at which it has waited long enough.
        _, running = await asyncio.wait(running, timeout=0.1)


async def primaries(client: Any) -> list[Primary]:
    """The primaries of this moment."""
    if isinstance(client, redis.asyncio.RedisCluster):
        return await _of_cluster(client)
    pool: Any = client.connection_pool
    where = {name: pool.connection_kwargs[name] for name in _WHERE if name in pool.connection_kwargs}
    if hasattr(pool, "sentinel_manager"):
        where["host"], where["port"] = await pool.sentinel_manager.discover_master(pool.service_name)
    name = where.get("path") or f"{where.get('host')}:{where.get('port')}"
    return [Primary(name, _kind(pool.connection_class), {**plain(pool.connection_kwargs), **where})]


async def _of_cluster(client: Any) -> list[Primary]:
    """Asked of the cluster, where redis-py waits for a command to go astray; each time of any node, if one is dead."""
    await client.initialize()
    asked = random.choice(client.get_nodes())  # noqa: S311
    ranges = await client.execute_command("CLUSTER", "SLOTS", target_nodes=asked)
    remap = client.nodes_manager.remap_host_port
    found = {remap(text(primary[0]) if primary[0] else asked.host, primary[1]) for _, _, primary, *_ in ranges}
    options = plain(client.connection_kwargs)
    kind = _kind(client.connection_kwargs.get("connection_class", Connection))
    return [Primary(f"{host}:{port}", kind, {**options, "host": host, "port": port}) for host, port in sorted(found)]


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """What another connection to the same servers needs of a connection's options."""
    return {
        name: value
        for name, value in options.items()
        if name in _PLAIN or (name.startswith("ssl_") and name in _SSL_OPTIONS)
    }


_SSL_OPTIONS = SSLConnection.__init__.__code__.co_varnames


def _kind(kind: type) -> Any:
    """A connection's class; that of Sentinel would ask for its address by itself."""
    if issubclass(kind, SSLConnection):
        return SSLConnection if kind.__name__.startswith("SentinelManaged") else kind
    return Connection if kind.__name__.startswith("SentinelManaged") else kind
