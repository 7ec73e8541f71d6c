"""Sessions that pyramid_redis_sessions has kept: taken over one by one, and given back for a way back.

There a session is a string at its id: what `serialize` made of `managed_dict`, `created` and `timeout`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pyramid.exceptions import ConfigurationError  # type: ignore[import-untyped]

from .._models import Loaded
from ..store import Store
from .habits import stored_id
from .state import with_details


@dataclass(frozen=True)
class OldStore:
    """Where pyramid_redis_sessions keeps sessions, and how."""

    client: Any
    serialize: Callable[[Any], Any]
    deserialize: Callable[[Any], Any]

    def take(self, store: Store, session_id: str, user: Callable[[Any], str | None]) -> Loaded | None:
        """Moves a session into the store, under the same id. None: neither has it.

        Of two requests at a time one moves it, and both go on with it.
        """
        # Pickles are no text, whatever the client makes of replies.
        written = self.client.execute_command("GET", session_id, NEVER_DECODE=True)
        taken = None
        if written is not None:
            held = self.deserialize(written)
            data = held["managed_dict"]
            # Who was logged in stays so, even where there is a cap now that they are over.
            uncapped = Store(store.client, replace(store.options, max_sessions=None), store.codec)
            taken = uncapped.create(stored_id(session_id), data, user=user(data), idle=held["timeout"])
            self.client.delete(session_id)
        return taken or store.load(stored_id(session_id))

    def give_back(self, store: Store, session_id: str) -> None:
        """Moves a session out of the store, where the old one lacks it."""
        loaded = with_details(store).load(stored_id(session_id))
        if loaded is None or loaded.frozen:
            return
        timeout = None if loaded.idle is None else math.ceil(loaded.idle)
        created = time.time() if loaded.created is None else loaded.created.timestamp()
        held = {"managed_dict": loaded.data(), "created": created, "timeout": timeout}
        until = None if loaded.end is None else max(1, math.ceil(loaded.end.timestamp() - time.time()))
        expiry = min((seconds for seconds in (timeout, until) if seconds is not None), default=None)
        self.client.set(session_id, self.serialize(held), ex=expiry, nx=True)
        store.delete(loaded.id)


def old_store_at(migrate_from: Any) -> Any:
    """A client, a URL, True for the server of the new sessions, or None: there is no old store."""
    if not isinstance(migrate_from, str) or "://" in migrate_from:
        return migrate_from or None
    if migrate_from.lower() not in ("", "false", "true", "pyramid_redis_sessions"):
        raise ConfigurationError(
            f"redis.sessions.migrate_from is pyramid_redis_sessions, or the URL of its server, not {migrate_from!r}"
        )
    return migrate_from.lower() in ("true", "pyramid_redis_sessions") or None
