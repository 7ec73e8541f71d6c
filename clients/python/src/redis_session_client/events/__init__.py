"""Sessions that end, as they end: for servers that keep something open for a session, such as web sockets.

    async with session_events(client, store) as events:
        events.watch(session_id)
        async for ended in events:
            ...  # ended.id, ended.reason

The server publishes an event when a session ends, if it is told to (`notify-keyspace-events`). Events can be lost: a
connection breaks, a server fails over, a cluster gets other nodes. So whenever something may have been missed, and from
time to time, the sessions that are watched are asked for. Each that ended is told once, and none is missed.
"""

from __future__ import annotations

from typing import Any, Protocol, overload

import redis
import redis.asyncio

from .._drive import AsyncClient, SyncClient
from .asynchronous import AsyncSessionEvents
from .threaded import SessionEvents
from .watched import EndedSession, Reason

__all__ = ["AsyncSessionEvents", "EndedSession", "Reason", "SessionEvents", "session_events"]


class HasKeys(Protocol):
    """What knows the keys of sessions: a `Store`, an `AsyncStore`."""

    def key(self, session_id: str, /) -> str:
        """The server's key of the session with this id."""


@overload
def session_events(
    client: AsyncClient, store: HasKeys | None = None, *, interval: float = 5.0, published: bool = False
) -> AsyncSessionEvents: ...


@overload
def session_events(
    client: SyncClient, store: HasKeys | None = None, *, interval: float = 5.0, published: bool = False
) -> SessionEvents: ...


def session_events(client: Any, store: HasKeys | None = None, *, interval: float = 5.0, published: bool = False) -> Any:
    """An iterator of the watched sessions that end; of asyncio for an asyncio client, else one for any thread.

    It listens on connections of its own, one for each primary, which are made as those of `client` are. With a `store`
    sessions are watched by their ids, without one by their keys. `interval`: how often in seconds the watched sessions
    are asked for while the server publishes no events (a warning is logged then, once) or cannot be listened to, and
    how often the connections are tested; with events, sessions are asked for twelve times less often. At least 0.1.
    `published`: the server publishes what is needed, but does not let us see that (CONFIG GET), as hosted ones may.

    It is a context manager. Iterating raises ModuleMissing where the server lacks the module. TypeError: `client` is no
    client of redis-py.
    """
    key = None if store is None else store.key
    if isinstance(client, (redis.asyncio.Redis, redis.asyncio.RedisCluster)):
        return AsyncSessionEvents(client, key, interval, published=published)
    if isinstance(client, (redis.Redis, redis.RedisCluster)):
        return SessionEvents(client, key, interval, published=published)
    raise TypeError(f"session_events wants a client of redis-py, not {client!r}")
