"""Moving in: sessions that the engine before this one has kept are taken over when they are asked for."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .._models import Change
from .._operations import Operations
from ..fields import Codec
from ..store import Loaded
from .connections import Connections
from .exceptions import of_sessions
from .terms import Policy, Terms


class CannotWrite(ImproperlyConfigured):
    """The former engine kept values in a session that SESSION_SERIALIZER cannot write."""


def adopt(asked: Connections, key: str, policy: Policy) -> Loaded | None:
    """Reads a session from the engine `migrate_from`, begins it here under the same id, and ends it there.

    None: it is not there either.
    """
    old = _session(asked, key)
    with of_sessions():
        data = old.load()
    if not data:  # not every engine gives up the id of a session that it does not have
        # Another request may have adopted it between our two looks.
        return asked.run(asked.operations.load(key))
    loaded = begin(asked, key, data, policy)
    with of_sessions():
        old.delete(key)
    # Where the id is taken, another request was quicker.
    return loaded or asked.run(asked.operations.load(key))


def begin(asked: Connections, key: str, data: dict[str, Any], policy: Policy) -> Loaded | None:
    """Begins a session with these data under this id; None if there is one. It is there already, so no cap counts.

    Raises CannotWrite.
    """
    fail_unwritable(asked, data)
    terms = Terms.of(data)
    times = policy.of_new(terms)
    user = data.get(asked.configuration.user_field)
    whose = None if user is None or user == "" else str(user)
    options = replace(asked.configuration.options, max_sessions=None)
    operations = Operations(options, asked.operations.codec, is_cluster=asked.operations.is_cluster, details=False)
    return asked.run(operations.create(key, data, Change(whose, times.idle, times.lifetime, times.expires_at)))


def fail_unwritable(asked: Connections, data: dict[str, Any]) -> None:
    """Raises CannotWrite where a value cannot be written: Django's cache engine keeps whatever can be pickled."""
    codec = asked.operations.codec
    try:
        _write(codec, data)
    except Exception as error:
        names = [f"{key!r} ({type(value).__name__})" for key, value in data.items() if not _writes(codec, key, value)]
        if not names:
            raise
        raise CannotWrite(
            f"SESSION_SERIALIZER cannot write {', '.join(names)} of a session that is to be taken over: {error}. "
            'See "Moving in, and back" in docs/django.md.'
        ) from error


def _writes(codec: Codec, key: Any, value: Any) -> bool:
    try:
        _write(codec, {key: value})
    except Exception:
        return False
    return True


def _write(codec: Codec, data: dict[Any, Any]) -> None:
    named, _ = codec.difference((), data)  # as JSON names the keys, which may be numbers in a cache
    codec.encode(named, [])


def end(asked: Connections, key: str) -> None:
    """Ends a session in the engine `migrate_from`, so that it is not taken over after it was ended here."""
    with of_sessions():
        _session(asked, key).delete(key)


def _session(asked: Connections, key: str) -> Any:
    engine = import_module(str(asked.configuration.migrate_from))
    return engine.SessionStore(key)
