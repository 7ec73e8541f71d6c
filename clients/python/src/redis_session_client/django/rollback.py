"""Back to the engine before: `SESSION_ENGINE = "redis_session_client.django.rollback"`.

The sessions are kept by the engine that SESSION_REDIS names in `migrate_from`, as before the move. What it lacks is
read from the server with the module once, and ended there: nobody is logged out.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import CreateError
from django.core.exceptions import ImproperlyConfigured

from .connections import connections


class _TakesBack:
    """What the former engine's SessionStore does beside."""

    _session_cache: dict[str, Any]

    def load(self) -> dict[str, Any]:
        old: Any = super()
        this: Any = self
        key = this.session_key
        data: dict[str, Any] = old.load()
        if data or key is None:
            return data
        asked = connections()
        loaded = asked.run(asked.operations.load(key))
        if loaded is None or loaded.frozen:
            this._session_key = None
            return {}
        this._session_key = key
        self._session_cache = loaded.data()
        try:
            this.save(must_create=True)
        except CreateError:  # another request has just done it
            data = old.load()
        else:
            data = self._session_cache
        asked.run(asked.operations.delete(key))
        return data

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def delete(self, session_key: str | None = None) -> None:
        old: Any = super()
        this: Any = self
        asked = connections()
        asked.run(asked.operations.delete(session_key or this.session_key))
        old.delete(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)


@lru_cache
def _store(engine: str) -> type:
    former: Any = import_module(engine).SessionStore
    return type("SessionStore", (_TakesBack, former), {"__module__": __name__})


def __getattr__(name: str) -> Any:
    if name != "SessionStore":
        raise AttributeError(name)
    engine = connections().configuration.migrate_from
    if engine is None:
        raise ImproperlyConfigured('SESSION_REDIS["migrate_from"] names the engine to go back to, and is not set.')
    return _store(engine)
