"""The connections of a client that is made from a URL."""

from __future__ import annotations

import os
from typing import Any

import redis


class Pool(redis.ConnectionPool):
    """A pool that keeps at hand what is given back, and gives it out again without redis-py's book-keeping.

    Since redis-py 8 that costs an application about as much as all else that this package does to read a session. Where
    redis-py is told to measure, it counts the connections that are at hand among those in use.
    """

    def reset(self) -> None:
        """Begins anew: also after a fork, when all connections are the parent's."""
        self._at_hand: list[redis.Connection] = []
        super().reset()

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """A connection that is ready for a command."""
        if self._at_hand and self.pid == os.getpid():
            try:
                connection = self._at_hand.pop()
            except IndexError:  # another thread was faster
                return super().get_connection(*args, **options)
            if _is_ready(connection):
                return connection
            super().release(connection)
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        """Takes a connection back. One that broke, or is to connect to another address, redis-py mends."""
        if self.owns_connection(connection) and connection.is_connected and not connection.should_reconnect():
            self._at_hand.append(connection)
        else:
            super().release(connection)


def _is_ready(connection: Any) -> bool:
    """Tells whether a connection is open, and holds nothing that was not read."""
    try:
        return not connection.can_read()
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return False


def from_url(url: str, **options: Any) -> redis.Redis:
    """As `redis.Redis.from_url`, with a pool of this kind where redis-py is new enough to need it."""
    if not hasattr(redis.Connection, "is_connected"):
        return redis.Redis.from_url(url, **options)
    return redis.Redis.from_pool(Pool.from_url(url, **options))
