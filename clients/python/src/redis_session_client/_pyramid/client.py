"""The client that a Pyramid site's settings describe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from .._pool import from_url

#: Seconds that a request waits for the server at most, unless `socket_timeout` says otherwise.
TIMEOUT = 5.0
_SENTINEL_PORT = 26379
# Since redis-py 6 `retry` says how often a cluster's command is tried; before, that had a parameter of its own.
_RETRY_IS_THE_CLUSTERS = 6
_OF_ONE_SERVER = ("host", "port", "db", "password", "unix_socket_path", "connection_pool")


def get_default_connection(
    request: Any,
    url: str | None = None,
    redis_client: Any = redis.Redis,
    *,
    cluster: bool = False,
    sentinels: Any = None,
    sentinel_service: str = "mymaster",
    **redis_options: Any,
) -> Any:
    """The site's client: made at the first call, and then kept in `request.registry`."""
    client = getattr(request.registry, "_redis_sessions", None)
    if client is None:
        if sentinels:
            client = _by_sentinel(sentinels, sentinel_service, redis_options)
        elif cluster:
            client = _of_cluster(url, redis_options)
        else:
            client = _single(redis_client, url, redis_options)
        request.registry._redis_sessions = client
    return client


def patience(socket_timeout: float | None) -> dict[str, Any]:
    """How long a client waits. A connection that broke is made anew, once; what timed out is not tried again."""
    timeout = TIMEOUT if socket_timeout is None else socket_timeout
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        "retry_on_error": [redis.ConnectionError],  # without it redis-py 5 repeats nothing
    }


def _single(kind: Callable[..., Any], url: str | None, options: dict[str, Any]) -> Any:
    if url is None:
        return kind(**options)
    # The URL says where the server is, and nothing else does.
    make = from_url if kind is redis.Redis else kind.from_url  # type: ignore[attr-defined]
    return make(url, **_without(options, _OF_ONE_SERVER))


def _of_cluster(url: str | None, options: dict[str, Any]) -> Any:
    options = _without(options, ("db", "connection_pool", "unix_socket_path"))
    if int(redis.__version__.split(".")[0]) < _RETRY_IS_THE_CLUSTERS:
        options.setdefault("cluster_error_retry_attempts", 1)
    if url is None:
        return redis.RedisCluster(**options)
    return redis.RedisCluster.from_url(url, **_without(options, _OF_ONE_SERVER))


def _by_sentinel(sentinels: Any, service: str, options: dict[str, Any]) -> Any:
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout") if name in options}
    options = _without(options, ("host", "port", "connection_pool", "unix_socket_path"))
    kind: Any = Sentinel
    return kind(_addresses(sentinels), sentinel_kwargs=timeouts).master_for(service, **options)


def _addresses(sentinels: Any) -> list[tuple[str, int]]:
    """Hosts and ports, from pairs or from text such as "one:26379 two:26379"."""
    if isinstance(sentinels, str):
        return [_address(text) for text in sentinels.replace(",", " ").split()]
    return [(host, int(port)) for host, port in sentinels]


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else (text, _SENTINEL_PORT)


def _without(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}
