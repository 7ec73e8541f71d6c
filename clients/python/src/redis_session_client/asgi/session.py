"""The dict behind `request.session`."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from .._arguments import Timeout
from .._visit import UserOf, Visit, arun
from ..store import DEVICE, AsyncStore
from .stores import lock_for

TOO_LATE = (
    "a session begins, gets a user or is rotated after the response has begun or the web socket was accepted, "
    "when the browser cannot get a new cookie any more: do it before"
)


@dataclass(frozen=True)
class Rules:
    """What the middleware was told of sessions in general."""

    user: UserOf
    idle: Timeout


class Session(dict[str, Any]):
    """A session as Starlette knows it: a dict that notices whether it is looked at and changed.

    Changes inside of values (`session["cart"].append(1)`) are saved, too: what has changed is found by comparing with
    what was read. If the session could not be read every look at it raises the error that there was.
    """

    accessed: bool = False
    modified: bool = False
    #: Whether it was looked at since it was last saved, so that it may have changed.
    may_differ: bool = False
    #: Whether the headers of the response are sent, so that the browser can be told nothing any more.
    is_sent: bool = False
    error: Exception | None = None

    store: AsyncStore
    rules: Rules
    device: Callable[[], Any] | None = None
    _lock: AbstractAsyncContextManager[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visit = Visit(None)

    def mark_accessed(self) -> None:
        if self.error is not None:
            raise self.error
        self.accessed = self.may_differ = True

    def mark_modified(self) -> None:
        self.mark_accessed()
        self.modified = True

    @property
    def user(self) -> str | None:
        """The user that the session names now, or else has on the server."""
        return self.visit.user(self.plain(), self.rules.user)

    def plain(self) -> dict[str, Any]:
        """The values as a plain dict; looking at them here does not count as access."""
        return dict(dict.items(self))

    async def write(self) -> None:
        """Writes what has changed. One command, or none. Tasks that call it at the same time do so in turn.

        Raises RuntimeError where the session would need a new id and the headers are sent.
        """
        if self._lock is None:
            self._lock = lock_for(self.store)
        # The next write of another task compares with what this one has written.
        async with self._lock:
            await self._write()

    async def _write(self) -> None:
        data = self.plain()
        if not data and not self.modified:
            return
        if self.is_too_late:
            raise RuntimeError(TOO_LATE)
        # Before the write and not after it: what another task changes meanwhile is to be written next.
        self.may_differ = False
        device = data.get(DEVICE)
        try:
            await arun(self.store, self.visit.save(data, user=self.user, idle=self.rules.idle, device=self.device))
        except BaseException:
            self.may_differ = True
            raise
        if data.get(DEVICE) is not device:
            super().__setitem__(DEVICE, data[DEVICE])

    @property
    def is_too_late(self) -> bool:
        """Whether the session would need a new id, and the browser can be told none any more."""
        if not self.is_sent or not self.plain():
            return False
        loaded, user = self.visit.loaded, self.user
        return loaded is None or self.visit.rotates or (user is not None and user != loaded.user)

    # --- the methods of a dict that look at it ---

    def __getitem__(self, key: str) -> Any:
        self.mark_accessed()
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.mark_accessed()
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self.mark_accessed()
        return super().__iter__()

    def __len__(self) -> int:
        self.mark_accessed()
        return super().__len__()

    def __eq__(self, other: object) -> bool:
        self.mark_accessed()
        return super().__eq__(other)

    __hash__ = None  # as of any dict

    def __repr__(self) -> str:
        self.mark_accessed()
        return super().__repr__()

    def __or__(self, other: Any, /) -> dict[str, Any]:  # type: ignore[override]
        self.mark_accessed()
        joined: dict[str, Any] = self.plain() | other
        return joined

    def copy(self) -> dict[str, Any]:
        self.mark_accessed()
        return self.plain()

    def get(self, key: str, default: Any = None, /) -> Any:
        self.mark_accessed()
        return super().get(key, default)

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # typeshed says dict_keys, which has no public name
        self.mark_accessed()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self.mark_accessed()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self.mark_accessed()
        return super().items()

    # --- those that change it ---

    def __setitem__(self, key: str, value: Any) -> None:
        self.mark_modified()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.mark_modified()
        super().__delitem__(key)

    def clear(self) -> None:
        """Empties the session. An empty one is ended; one that is filled again keeps nothing of what it was."""
        self.mark_modified()
        self.visit.cleared = True
        super().clear()

    def pop(self, key: str, *default: Any) -> Any:
        if super().__contains__(key):
            self.mark_modified()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        self.mark_modified()
        return super().popitem()

    def setdefault(self, key: str, default: Any = None, /) -> Any:
        if key not in self:
            self.mark_modified()
        return super().setdefault(key, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        self.mark_modified()
        super().update(*args, **kwargs)

    def __ior__(self, other: Any, /) -> Session:  # type: ignore[override]
        self.mark_modified()
        super().__ior__(other)
        return self
