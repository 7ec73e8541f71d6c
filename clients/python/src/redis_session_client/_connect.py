"""Clients made from a URL. Who wants another (of a cluster, of Sentinel, with other time-outs) makes it themselves."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.retry import Retry

from ._pool import from_url

SYNC = (redis.Redis, redis.RedisCluster)
ASYNC = (redis.asyncio.Redis, redis.asyncio.RedisCluster)

#: Seconds that a client waits for the server at most, unless the URL says otherwise (`?socket_timeout=2`). redis-py
#: waits for ever by default, or tries ten times, from version to version.
TIMEOUT = 5.0


def connect(url: str) -> redis.Redis:
    """A client that waits at most 5 s for an answer.

    A connection that broke is made anew, once; what timed out is not tried again, so that no request waits twice.
    """
    return from_url(url, retry=Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,)), **_timeouts())


def connect_async(url: str) -> redis.asyncio.Redis:
    """The same for asyncio."""
    retry = redis.asyncio.retry.Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,))
    return redis.asyncio.Redis.from_url(url, retry=retry, **_timeouts())


def refuse(client: object, other: tuple[type, ...], wanted: str) -> None:
    """Raises TypeError where an asyncio client is given to what is not async, or the other way round."""
    if isinstance(client, other):
        raise TypeError(f"the client is a {type(client).__module__}.{type(client).__qualname__}; wanted is {wanted}")


def _timeouts() -> dict[str, Any]:
    return {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
