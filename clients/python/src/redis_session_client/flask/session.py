"""The object behind `flask.session`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask.sessions import SessionMixin

from .._visit import Visit


class Session(SessionMixin):
    """A session that is read from the server when something first looks at it, and behaves like a dict.

    Changes inside of values (`session["cart"].append(1)`) are saved without `modified`, which Flask users know to set.
    """

    modified = False
    accessed = False

    def __init__(self, visit: Visit, read: Callable[[Visit], dict[str, Any]], *, permanent: bool = False) -> None:
        self.visit = visit
        self._read = read
        self._data: dict[str, Any] | None = None
        self._permanent = permanent
        #: Whether saving has failed after the view: the response is an error page then, which must not fail, too.
        self.failed = False

    def read(self) -> dict[str, Any]:
        """The values, read now if they were not yet. Looking at them here does not count as access."""
        if self._data is None:
            self._data = self._read(self.visit)
        return self._data

    @property
    def is_read(self) -> bool:
        """Whether the session was read, so that there can be something to save."""
        return self._data is not None

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether the session is not on the server yet."""
        self.read()
        return self.visit.loaded is None

    @property
    def sid(self) -> str | None:
        """The id that the browser has, or None before the session is saved. Show nobody this, but a device's handle."""
        self.read()
        return self.visit.id

    @property
    def permanent(self) -> bool:
        """Whether the browser keeps the cookie for `PERMANENT_SESSION_LIFETIME`, else until it is closed."""
        return bool(self.read().get("_permanent", self._permanent))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        return self.read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.read()[key] = value
        self.accessed = self.modified = True

    def __delitem__(self, key: str) -> None:
        del self.read()[key]
        self.accessed = self.modified = True

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        return iter(self.read())

    def __len__(self) -> int:
        self.accessed = True
        return len(self.read())

    def clear(self) -> None:
        """Empties the session. An empty one is ended; one that is filled again keeps nothing of what it was."""
        self.read().clear()
        self.visit.cleared = True
        self.accessed = self.modified = True

    def copy(self) -> dict[str, Any]:
        """A dict of the values."""
        return dict(self)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(other) | dict(self)

    def __ior__(self, other: Mapping[str, Any]) -> Session:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict(self)!r}>" if self.is_read else f"<{type(self).__name__} not read yet>"
