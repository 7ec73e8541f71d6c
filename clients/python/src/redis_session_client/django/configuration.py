"""The setting SESSION_REDIS: what may stand in it, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..fields import BytesCodec, Codec
from ..store import Options

#: Where the server is: exactly one of these.
SOURCES = ("url", "client", "cache_alias", "sentinel", "cluster")
#: What Options takes under the same name.
OPTIONS = (
    "prefix",
    "user_prefix",
    "idle",
    "lifetime",
    "sliding",
    "rotation_grace",
    "max_sessions",
    "on_limit",
    "hash_keys",
    "conflict",
)
KEYS = (*SOURCES, *OPTIONS, "user_field", "migrate_from")

ENGINE = "redis_session_client.django"
_SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"


@dataclass(frozen=True)
class Configuration:
    """SESSION_REDIS, read and found right."""

    source: str
    where: Any
    options: Options
    user_field: str
    migrate_from: str | None


def read() -> Configuration:
    """Reads SESSION_REDIS. Raises ImproperlyConfigured with a sentence that says what to do."""
    given = getattr(settings, "SESSION_REDIS", None)
    if not isinstance(given, Mapping):
        # What it is instead is not shown: a URL has a password in it.
        what = "is not set" if given is None else f"is a {type(given).__name__}, not a dict"
        raise ImproperlyConfigured(
            f"SESSION_REDIS says where the sessions are kept, and {what}. "
            'Set it to a dict such as {"url": "redis://localhost:6379/0"}.'
        )
    unknown = sorted(str(key) for key in given if key not in KEYS)
    if unknown:
        raise ImproperlyConfigured(
            f"SESSION_REDIS has no key {', '.join(unknown)}. It knows {', '.join(KEYS)}. "
            "(Host, port, database and password belong into the url: redis://:password@host:6379/0.)"
        )
    sources = [source for source in SOURCES if source in given]
    if len(sources) != 1:
        raise ImproperlyConfigured(
            f"SESSION_REDIS says where the server is by one of {', '.join(SOURCES)}, "
            f"and has {' and '.join(sources) or 'none of them'}."
        )
    user_field = given.get("user_field", SESSION_KEY)
    if not isinstance(user_field, str):
        raise ImproperlyConfigured(f'SESSION_REDIS["user_field"] is a key of the session, not {user_field!r}.')
    return Configuration(
        source=sources[0],
        where=_where(sources[0], given[sources[0]]),
        options=_options(given),
        user_field=user_field,
        migrate_from=_migrate_from(given.get("migrate_from")),
    )


def _where(source: str, where: Any) -> Any:
    """What stands for the source, if it can be right. It is not shown: there may be a password in it."""
    if source in ("url", "cache_alias") and not isinstance(where, str):
        raise ImproperlyConfigured(f'SESSION_REDIS["{source}"] is a string, not {type(where).__name__}.')
    # Of a text each letter would be taken for a host.
    is_sentinel = isinstance(where, Mapping) and not isinstance(where.get("sentinels", ""), str)
    if source == "sentinel" and not (is_sentinel and "service_name" in where):
        raise ImproperlyConfigured(
            'SESSION_REDIS["sentinel"] is a dict such as '
            '{"sentinels": ["localhost:26379"], "service_name": "sessions"}.'
        )
    is_cluster = isinstance(where, (str, list, tuple)) or (isinstance(where, Mapping) and "nodes" in where)
    if source == "cluster" and not is_cluster:
        raise ImproperlyConfigured('SESSION_REDIS["cluster"] is a dict such as {"nodes": ["localhost:7000"]}.')
    return where


def _options(given: Mapping[str, Any]) -> Options:
    options = {name: given[name] for name in OPTIONS if name in given}
    for name in ("idle", "lifetime", "rotation_grace"):
        value = options.get(name)
        if isinstance(value, timedelta):
            options[name] = value.total_seconds()
        elif value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ImproperlyConfigured(f'SESSION_REDIS["{name}"] is seconds or a timedelta, not {value!r}.')
    for name, without in (("idle", "SESSION_COOKIE_AGE"), ("lifetime", "none")):
        value = options.get(name)
        if value is not None and not value > 0:  # NaN is not, either
            raise ImproperlyConfigured(
                f'SESSION_REDIS["{name}"] is more than 0 seconds: no session would outlast its request. '
                f"Leave it out for the default ({without})."
            )
    try:
        return Options(**options)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"SESSION_REDIS: {error}.") from error


def _migrate_from(engine: Any) -> str | None:
    if engine is None:
        return None
    if not isinstance(engine, str):
        raise ImproperlyConfigured('SESSION_REDIS["migrate_from"] is the dotted name of a session engine.')
    if engine == ENGINE:
        raise ImproperlyConfigured(
            'SESSION_REDIS["migrate_from"] names the engine that the site used before, not this one.'
        )
    if engine == _SIGNED_COOKIES:
        raise ImproperlyConfigured(
            f'SESSION_REDIS["migrate_from"]: sessions of {engine} are not kept on the server and cannot be taken over. '
            "Leave migrate_from out; people log in again."
        )
    return engine


def codec() -> Codec:
    """How values are written, by SESSION_SERIALIZER: as JSON if that is Django's own, else as its bytes."""
    if settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer":
        return Codec()
    try:
        serializer = import_string(settings.SESSION_SERIALIZER)
    except ImportError as error:
        raise ImproperlyConfigured(f"SESSION_SERIALIZER: {error}.") from error

    # A serializer is promised dictionaries of session data, so each value travels in one of its own.
    def dumps(value: Any) -> bytes:
        written: bytes | str = serializer().dumps({"value": value})
        return written.encode() if isinstance(written, str) else written

    def loads(written: bytes) -> Any:
        return serializer().loads(written)["value"]

    return BytesCodec(dumps, loads)
