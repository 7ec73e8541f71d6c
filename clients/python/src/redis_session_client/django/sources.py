"""What other session engines have in store, one session after another, for moving in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

# How Django's engines call their sessions: what else lies under the same prefix is somebody else's.
_KEY = re.compile(r"[a-z0-9]{8,64}")


class Found(NamedTuple):
    """A session of another engine. `expires` is when it ends there if it is not used; None: not known."""

    key: str
    data: dict[str, Any]
    expires: datetime | None


class CannotList(Exception):
    """This engine does not tell which sessions it has."""


def sessions_of(engine: str) -> Iterator[Found]:
    """All live sessions of an engine, by its dotted name. Raises CannotList."""
    store: Any = import_module(engine).SessionStore
    if hasattr(store, "get_model_class"):
        return _in_database(store)
    if hasattr(store, "cache_key_prefix"):
        return _in_cache(store)
    if hasattr(store, "get_real_stored_key"):
        return _in_redis_sessions(store)
    if hasattr(store, "_get_storage_path"):
        return _in_files(store)
    raise CannotList(f"{engine} does not tell which sessions it has")


def _in_database(store: Any) -> Iterator[Found]:
    """db, cached_db, and what is derived from them."""
    rows = store.get_model_class().objects.filter(expire_date__gt=timezone.now())
    for row in rows.iterator(chunk_size=500):
        expires = row.expire_date
        yield Found(
            row.session_key, row.get_decoded(), timezone.make_aware(expires) if timezone.is_naive(expires) else expires
        )


def _in_cache(store: Any) -> Iterator[Found]:
    """cache, where the cache is on a Redis server."""
    cache: Any = store()._cache
    holder: Any = getattr(cache, "_cache", None) or getattr(cache, "client", None)
    if not hasattr(holder, "get_client"):
        raise CannotList("only a cache on a Redis server tells which sessions it has")
    beginning = str(cache.make_key(store.cache_key_prefix))
    return _in_redis(store, holder.get_client(write=True), beginning)


def _in_redis_sessions(store: Any) -> Iterator[Found]:
    """django-redis-sessions."""
    some = store("0" * 32)
    return _in_redis(store, some.server, some.get_real_stored_key(""))


def _in_redis(store: Any, client: Any, beginning: str) -> Iterator[Found]:
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", beginning) + "*"
    for found in client.scan_iter(match=pattern, count=1000):
        name = found.decode() if isinstance(found, bytes) else found
        key = name.removeprefix(beginning)
        if not _KEY.fullmatch(key):
            continue
        left = client.pttl(found)
        session = store(key)
        data = session.load()
        if session.session_key is not None and data:
            yield Found(key, data, timezone.now() + timedelta(milliseconds=left) if left > 0 else None)


def _in_files(store: Any) -> Iterator[Found]:
    beginning = settings.SESSION_COOKIE_NAME
    for file in Path(store._get_storage_path()).glob(f"{beginning}*"):
        session = store(file.name.removeprefix(beginning))
        data = session.load()
        if session.session_key is not None and data:
            yield Found(session.session_key, data, timezone.now() + timedelta(seconds=session.get_expiry_age()))
