"""Clients made from a URL. Who wants another (of a cluster, of Sentinel, with other time-outs) makes it themselves."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.retry import Retry

SYNC = (redis.Redis, redis.RedisCluster)
ASYNC = (redis.asyncio.Redis, redis.asyncio.RedisCluster)

# redis-py waits for ever by default, or tries ten times, from version to version. `?socket_timeout=` in the URL says
# otherwise.
_SECONDS = 5.0


def connect(url: str) -> redis.Redis:
    """A client that waits at most 5 s for an answer.

    A connection that broke is made anew, once; what timed out is not tried again, so that no request waits twice.
    """
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,)), **_timeouts())


def connect_async(url: str) -> redis.asyncio.Redis:
    """The same for asyncio."""
    retry = redis.asyncio.retry.Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,))
    return redis.asyncio.Redis.from_url(url, retry=retry, **_timeouts())


def refuse(client: object, other: tuple[type, ...], wanted: str) -> None:
    """Raises TypeError where an asyncio client is given to what is not async, or the other way round."""
    if isinstance(client, other):
        raise TypeError(f"the client is a {type(client).__module__}.{type(client).__qualname__}; wanted is {wanted}")


def _timeouts() -> dict[str, Any]:
    return {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
